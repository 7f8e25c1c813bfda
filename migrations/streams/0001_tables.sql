CREATE TABLE `fraud_snapshot` (
	`nth` integer PRIMARY KEY NOT NULL,
	`position` integer NOT NULL,
	`watermark_ms` integer NOT NULL,
	`ruleset_digest` text NOT NULL,
	`parts` integer NOT NULL,
	`hash` text NOT NULL,
	`bytes` blob NOT NULL
);
--> statement-breakpoint
CREATE TABLE `stream_gap` (
	`service` text NOT NULL,
	`kind` text NOT NULL,
	`topic` text NOT NULL,
	`partition` integer NOT NULL,
	`from_offset` integer NOT NULL,
	`to_offset` integer NOT NULL,
	`records` integer NOT NULL,
	`position` integer NOT NULL,
	`watermark_ms` integer NOT NULL,
	`until_ms` integer NOT NULL,
	PRIMARY KEY(`service`, `kind`, `topic`, `partition`, `from_offset`, `position`)
);
--> statement-breakpoint
CREATE TABLE `stream_service` (
	`service` text PRIMARY KEY NOT NULL,
	`state` text NOT NULL,
	`reason` text NOT NULL,
	`since_ms` integer NOT NULL
);
