CREATE TABLE `nhsa_counter` (
	`institution` text PRIMARY KEY NOT NULL,
	`next` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `nhsa_leg` (
	`settlement_id` text PRIMARY KEY NOT NULL,
	`institution` text NOT NULL,
	`visit` text NOT NULL,
	`state` text NOT NULL,
	`bill` text,
	`parts` text NOT NULL,
	`msgid` text,
	`setl_id` text,
	`reversal_msgid` text,
	`reversed_at_ms` integer,
	`medium` blob,
	`refusal` text,
	`settled_at_ms` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `nhsa_leg_msgid_unique` ON `nhsa_leg` (`msgid`);--> statement-breakpoint
CREATE UNIQUE INDEX `nhsa_leg_reversal_msgid_unique` ON `nhsa_leg` (`reversal_msgid`);--> statement-breakpoint
CREATE INDEX `nhsa_leg_settled` ON `nhsa_leg` (`institution`,`settled_at_ms`);--> statement-breakpoint
CREATE INDEX `nhsa_leg_reversed` ON `nhsa_leg` (`institution`,`reversed_at_ms`);--> statement-breakpoint
CREATE TABLE `nhsa_undo` (
	`key` text PRIMARY KEY NOT NULL,
	`settlement_id` text NOT NULL,
	`institution` text NOT NULL,
	`msgid` text NOT NULL,
	`state` text NOT NULL,
	`parts` text NOT NULL,
	`whole` integer NOT NULL,
	`setl_id` text,
	`refusal` text,
	`done_at_ms` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `nhsa_undo_msgid_unique` ON `nhsa_undo` (`msgid`);--> statement-breakpoint
CREATE INDEX `nhsa_undo_leg` ON `nhsa_undo` (`settlement_id`);--> statement-breakpoint
CREATE INDEX `nhsa_undo_done` ON `nhsa_undo` (`institution`,`done_at_ms`);