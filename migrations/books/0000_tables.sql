CREATE TABLE `case_step` (
	`case_id` text NOT NULL,
	`step` integer NOT NULL,
	`action` text NOT NULL,
	`state` text NOT NULL,
	`done_by` text NOT NULL,
	`approved_by` text,
	`owner` text,
	`reason` text,
	`note` text,
	`at_ms` integer NOT NULL,
	PRIMARY KEY(`case_id`, `step`)
);
--> statement-breakpoint
CREATE TABLE `entry` (
	`shard` integer NOT NULL,
	`subject` text NOT NULL,
	`kind` text NOT NULL,
	`draft` text NOT NULL,
	`at_ms` integer NOT NULL,
	`origin` text,
	`ledger_index` integer,
	PRIMARY KEY(`shard`, `kind`, `subject`)
);
--> statement-breakpoint
CREATE INDEX `entry_waiting` ON `entry` (`ledger_index`) WHERE ledger_index IS NULL;--> statement-breakpoint
CREATE TABLE `reconciliation_case` (
	`id` text PRIMARY KEY NOT NULL,
	`rail` text NOT NULL,
	`day` text NOT NULL,
	`class` text NOT NULL,
	`shard` integer NOT NULL,
	`institution` text NOT NULL,
	`settlement_id` text,
	`key` text NOT NULL,
	`reference` text NOT NULL,
	`kind` text NOT NULL,
	`our_amount` integer,
	`our_parts` text NOT NULL,
	`their_amount` integer,
	`their_parts` text NOT NULL,
	`at_ms` integer NOT NULL,
	`unmatched_id` text,
	`run_id` text NOT NULL,
	`statement_hash` text NOT NULL,
	`line` integer,
	`state` text NOT NULL,
	`owner` text,
	`steps` integer NOT NULL,
	`changed_at_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `case_state` ON `reconciliation_case` (`state`,`rail`,`day`);--> statement-breakpoint
CREATE INDEX `case_settlement` ON `reconciliation_case` (`settlement_id`);--> statement-breakpoint
CREATE TABLE `run` (
	`id` text PRIMARY KEY NOT NULL,
	`rail` text NOT NULL,
	`day` text NOT NULL,
	`source` text NOT NULL,
	`method` text NOT NULL,
	`statement_hash` text NOT NULL,
	`rule_version` text NOT NULL,
	`state` text NOT NULL,
	`started_at_ms` integer NOT NULL,
	`finished_at_ms` integer,
	`started_by` text NOT NULL
);
--> statement-breakpoint
CREATE INDEX `run_day` ON `run` (`rail`,`day`,`started_at_ms`);--> statement-breakpoint
CREATE TABLE `run_count` (
	`run_id` text NOT NULL,
	`shard` integer NOT NULL,
	`name` text NOT NULL,
	`value` integer NOT NULL,
	PRIMARY KEY(`run_id`, `shard`, `name`)
);
--> statement-breakpoint
CREATE TABLE `unmatched` (
	`id` text PRIMARY KEY NOT NULL,
	`rail` text NOT NULL,
	`day` text NOT NULL,
	`side` text NOT NULL,
	`shard` integer NOT NULL,
	`key` text NOT NULL,
	`reference` text NOT NULL,
	`kind` text NOT NULL,
	`institution` text NOT NULL,
	`settlement_id` text,
	`amount` integer NOT NULL,
	`parts` text NOT NULL,
	`at_ms` integer NOT NULL,
	`run_id` text NOT NULL,
	`line` integer,
	`state` text NOT NULL,
	`met_id` text,
	`met_run_id` text
);
--> statement-breakpoint
CREATE INDEX `unmatched_key` ON `unmatched` (`rail`,`side`,`key`);--> statement-breakpoint
CREATE INDEX `unmatched_reference` ON `unmatched` (`rail`,`side`,`reference`);--> statement-breakpoint
CREATE INDEX `unmatched_open` ON `unmatched` (`rail`,`state`,`day`) WHERE state IN ('waiting', 'case', 'healed');--> statement-breakpoint
CREATE INDEX `unmatched_amount` ON `unmatched` (`rail`,`institution`,`amount`);--> statement-breakpoint
CREATE TABLE `day_closing` (
	`day` text PRIMARY KEY NOT NULL,
	`closed_by` text NOT NULL,
	`override_reason` text,
	`closed_at_ms` integer
);
--> statement-breakpoint
CREATE TABLE `day_seal` (
	`day` text NOT NULL,
	`shard` integer NOT NULL,
	`origin` text NOT NULL,
	`ledger_index` integer NOT NULL,
	`sealed_at_ms` integer NOT NULL,
	`head_size` integer NOT NULL,
	`head_root` text NOT NULL,
	`trial_balance_hash` text NOT NULL,
	`carried_over` integer NOT NULL,
	PRIMARY KEY(`day`, `shard`)
);
--> statement-breakpoint
CREATE TABLE `outbox` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`event_id` text NOT NULL,
	`topic` text NOT NULL,
	`key` text NOT NULL,
	`partition` integer,
	`headers` text NOT NULL,
	`value` blob NOT NULL,
	`ledger_index` integer,
	`created_at_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `outbox_dead` (
	`seq` integer PRIMARY KEY NOT NULL,
	`event_id` text NOT NULL,
	`topic` text NOT NULL,
	`key` text NOT NULL,
	`headers` text NOT NULL,
	`value` blob NOT NULL,
	`reason` text NOT NULL,
	`at_ms` integer NOT NULL
);
