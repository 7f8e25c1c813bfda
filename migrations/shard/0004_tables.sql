CREATE TABLE `supplement` (
	`id` text PRIMARY KEY NOT NULL,
	`case_id` text NOT NULL,
	`rail` text NOT NULL,
	`movement` text NOT NULL,
	`key` text NOT NULL,
	`rail_reference` text NOT NULL,
	`payer_day` integer NOT NULL,
	`statement_hash` text NOT NULL,
	`institution` text NOT NULL,
	`settlement_id` text,
	`reason` text NOT NULL,
	`requested_by` text NOT NULL,
	`approved_by` text NOT NULL,
	`day` integer NOT NULL,
	`at_ms` integer NOT NULL,
	`ledger_index` integer NOT NULL
);

--> statement-breakpoint
CREATE INDEX `supplement_key` ON `supplement` (`rail`,`key`);
--> statement-breakpoint
CREATE INDEX `supplement_reference` ON `supplement` (`rail`,`rail_reference`);
--> statement-breakpoint
CREATE INDEX `supplement_settlement` ON `supplement` (`settlement_id`);
--> statement-breakpoint
CREATE TABLE `supplement_return` (
	`id` text PRIMARY KEY NOT NULL,
	`reason` text NOT NULL,
	`requested_by` text NOT NULL,
	`approved_by` text NOT NULL,
	`day` integer NOT NULL,
	`at_ms` integer NOT NULL,
	`ledger_index` integer NOT NULL
);

