CREATE TABLE `statement_mapping` (
	`rail` text NOT NULL,
	`version` integer NOT NULL,
	`mapping` text NOT NULL,
	`hash` text NOT NULL,
	`set_by` text NOT NULL,
	`set_at_ms` integer NOT NULL,
	PRIMARY KEY(`rail`, `version`)
);

--> statement-breakpoint
ALTER TABLE `run` ADD `mapping_hash` text;
--> statement-breakpoint
ALTER TABLE `run` ADD `totals` text DEFAULT 'stated' NOT NULL;
