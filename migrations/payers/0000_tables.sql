CREATE TABLE `payer_journal` (
	`seq` integer PRIMARY KEY NOT NULL,
	`at_ms` integer NOT NULL,
	`rail` text,
	`entry` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `payer_movement` (
	`seq` integer PRIMARY KEY NOT NULL,
	`rail` text NOT NULL,
	`day` text NOT NULL,
	`kind` text NOT NULL,
	`key` text NOT NULL,
	`institution` text NOT NULL,
	`settlement_id` text NOT NULL,
	`amount` integer NOT NULL,
	`parts` text NOT NULL,
	`bill` integer NOT NULL,
	`reference` text NOT NULL,
	`at_ms` integer NOT NULL,
	`told` text NOT NULL
);
--> statement-breakpoint
CREATE INDEX `payer_movement_day` ON `payer_movement` (`rail`,`day`,`seq`);