CREATE TABLE `quarantine_span` (
	`topic` text NOT NULL,
	`source` text NOT NULL,
	`reason` text NOT NULL,
	`until_ms` integer NOT NULL,
	`count` integer NOT NULL,
	`hash` blob NOT NULL,
	`from_offset` integer NOT NULL,
	`last_offset` integer NOT NULL,
	`last_hash` blob NOT NULL,
	PRIMARY KEY(`topic`, `source`, `reason`)
);
