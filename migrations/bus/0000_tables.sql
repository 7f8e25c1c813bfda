CREATE TABLE `group_offset` (
	`group_id` text NOT NULL,
	`topic_id` integer NOT NULL,
	`partition` integer NOT NULL,
	`next_offset` integer NOT NULL,
	PRIMARY KEY(`group_id`, `topic_id`, `partition`)
);
--> statement-breakpoint
CREATE TABLE `record` (
	`topic_id` integer NOT NULL,
	`partition` integer NOT NULL,
	`offset` integer NOT NULL,
	`key` text NOT NULL,
	`headers` text NOT NULL,
	`value` blob NOT NULL,
	`timestamp_ms` integer NOT NULL,
	PRIMARY KEY(`topic_id`, `partition`, `offset`)
);
--> statement-breakpoint
CREATE TABLE `topic` (
	`id` integer PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`partitions` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `topic_name_unique` ON `topic` (`name`);