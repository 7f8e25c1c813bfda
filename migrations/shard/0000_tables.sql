CREATE TABLE `account` (
	`id` text PRIMARY KEY NOT NULL,
	`side` text NOT NULL,
	`rail` text NOT NULL,
	`fund_source` text NOT NULL,
	`institution` text,
	`region` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `adjustment` (
	`id` text PRIMARY KEY NOT NULL,
	`case_id` text NOT NULL,
	`kind` text NOT NULL,
	`rail` text NOT NULL,
	`fund_source` text NOT NULL,
	`institution` text NOT NULL,
	`settlement_id` text,
	`amount` integer NOT NULL,
	`reason` text NOT NULL,
	`requested_by` text NOT NULL,
	`approved_by` text,
	`day` integer NOT NULL,
	`at_ms` integer NOT NULL,
	`ledger_index` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `adjustment_case` ON `adjustment` (`case_id`);--> statement-breakpoint
CREATE TABLE `conflict` (
	`source` text NOT NULL,
	`event_id` text NOT NULL,
	`settlement_id` text NOT NULL,
	`request_hash` blob NOT NULL,
	`ledger_index` integer NOT NULL,
	PRIMARY KEY(`source`, `event_id`)
);
--> statement-breakpoint
CREATE TABLE `consumed_position` (
	`topic` text NOT NULL,
	`partition` integer NOT NULL,
	`next_offset` integer NOT NULL,
	PRIMARY KEY(`topic`, `partition`)
);
--> statement-breakpoint
CREATE TABLE `evidence` (
	`key` text NOT NULL,
	`statement_hash` text NOT NULL,
	`settlement_id` text NOT NULL,
	`rail` text NOT NULL,
	`found` text NOT NULL,
	`amount` integer,
	`rail_reference` text,
	`parts` text,
	`run_id` text NOT NULL,
	`taken` integer NOT NULL,
	`ledger_index` integer NOT NULL,
	PRIMARY KEY(`key`, `statement_hash`)
);
--> statement-breakpoint
CREATE INDEX `evidence_settlement` ON `evidence` (`settlement_id`);--> statement-breakpoint
CREATE TABLE `seal` (
	`day` integer PRIMARY KEY NOT NULL,
	`sealed_at_ms` integer NOT NULL,
	`trial_hash` text NOT NULL,
	`head_size` integer NOT NULL,
	`head_root` blob NOT NULL,
	`offsets` text NOT NULL,
	`carried_over` text NOT NULL,
	`ledger_index` integer NOT NULL,
	`leaf_hash` blob NOT NULL
);
--> statement-breakpoint
CREATE TABLE `sealed_balance` (
	`day` integer NOT NULL,
	`account` text NOT NULL,
	`fund_source` text NOT NULL,
	`debit` integer NOT NULL,
	`credit` integer NOT NULL,
	`balance` integer NOT NULL,
	PRIMARY KEY(`day`, `account`)
);
--> statement-breakpoint
CREATE TABLE `settlement` (
	`id` text PRIMARY KEY NOT NULL,
	`institution` text NOT NULL,
	`out_trade_no` text NOT NULL,
	`request_hash` blob NOT NULL,
	`action` text NOT NULL,
	`parent_id` text,
	`parent_settled_at_ms` integer,
	`scope` text,
	`terminal` text NOT NULL,
	`business_type` text NOT NULL,
	`edge` text NOT NULL,
	`amount` integer NOT NULL,
	`state` text NOT NULL,
	`phase` text,
	`person` text,
	`region` text,
	`bound` text,
	`credential` text,
	`care` text,
	`refusal` text,
	`missing` text,
	`unknown_reported` integer NOT NULL,
	`accepted_at_ms` integer NOT NULL,
	`recorded_at_ms` integer NOT NULL,
	`decided_at_ms` integer,
	`attempt` integer NOT NULL,
	`step_at_ms` integer NOT NULL,
	`revision` integer NOT NULL,
	`due_at_ms` integer,
	`topic` text NOT NULL,
	`partition` integer NOT NULL,
	`offset` integer NOT NULL,
	`record_hash` blob NOT NULL,
	`ledger_index` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `settlement_idempotency` ON `settlement` (`institution`,`out_trade_no`);--> statement-breakpoint
CREATE INDEX `settlement_parent` ON `settlement` (`parent_id`) WHERE parent_id IS NOT NULL;--> statement-breakpoint
CREATE INDEX `settlement_due` ON `settlement` (`due_at_ms`) WHERE due_at_ms IS NOT NULL;--> statement-breakpoint
CREATE INDEX `settlement_missing` ON `settlement` (`id`) WHERE missing IS NOT NULL;--> statement-breakpoint
CREATE INDEX `settlement_open` ON `settlement` (`accepted_at_ms`) WHERE decided_at_ms IS NULL;--> statement-breakpoint
CREATE TABLE `transfer` (
	`group_id` text NOT NULL,
	`rail` text NOT NULL,
	`fund_source` text NOT NULL,
	`stage` text NOT NULL,
	`debit` text NOT NULL,
	`credit` text NOT NULL,
	`amount` integer NOT NULL,
	`rail_reference` text,
	`at_ms` integer NOT NULL,
	`day` integer NOT NULL,
	`late` integer NOT NULL,
	`ledger_index` integer NOT NULL,
	PRIMARY KEY(`group_id`, `rail`, `fund_source`, `stage`)
);
--> statement-breakpoint
CREATE INDEX `transfer_day` ON `transfer` (`day`,`rail`,`group_id`,`stage`) WHERE stage IN ('posted', 'reversed');--> statement-breakpoint
CREATE TABLE `ledger_publication` (
	`origin` text PRIMARY KEY NOT NULL,
	`leaves` integer NOT NULL,
	`checkpoint_size` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `checkpoint` (
	`size` integer PRIMARY KEY NOT NULL,
	`note` text NOT NULL,
	`at_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `disclosure` (
	`idx` integer NOT NULL,
	`name` text NOT NULL,
	`salt` blob NOT NULL,
	`value` text NOT NULL,
	PRIMARY KEY(`idx`, `name`)
);
--> statement-breakpoint
CREATE TABLE `erased` (
	`idx` integer NOT NULL,
	`name` text NOT NULL,
	`erased_at` integer NOT NULL,
	PRIMARY KEY(`idx`, `name`)
);
--> statement-breakpoint
CREATE TABLE `head` (
	`origin` text PRIMARY KEY NOT NULL,
	`size` integer NOT NULL,
	`root` blob NOT NULL
);
--> statement-breakpoint
CREATE TABLE `head_move` (
	`size` integer PRIMARY KEY NOT NULL,
	`root` blob NOT NULL,
	`from_size` integer NOT NULL,
	`from_root` blob NOT NULL
);
--> statement-breakpoint
CREATE TABLE `leaf` (
	`idx` integer PRIMARY KEY NOT NULL,
	`bytes` blob NOT NULL,
	`hash` blob NOT NULL,
	`kind` text NOT NULL,
	`institution` text,
	`subject` text,
	`at_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `search_key` (
	`segment` integer NOT NULL,
	`key` integer NOT NULL,
	`idx` integer NOT NULL,
	PRIMARY KEY(`segment`, `key`, `idx`)
);
--> statement-breakpoint
CREATE TABLE `search_position` (
	`id` integer PRIMARY KEY NOT NULL,
	`idx` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `tile` (
	`level` integer NOT NULL,
	`idx` integer NOT NULL,
	`hashes` blob NOT NULL,
	PRIMARY KEY(`level`, `idx`)
);
--> statement-breakpoint
CREATE TABLE `log_key` (
	`handle` text PRIMARY KEY NOT NULL,
	`verifier_key` text NOT NULL,
	`first_size` integer NOT NULL,
	`last_size` integer
);
--> statement-breakpoint
CREATE TABLE `published_checkpoint` (
	`size` integer PRIMARY KEY NOT NULL,
	`note` text NOT NULL,
	`at_ms` integer NOT NULL,
	`quorum` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `receipt_owed` (
	`event_id` text PRIMARY KEY NOT NULL,
	`topic` text NOT NULL,
	`key` text NOT NULL,
	`partition` integer,
	`headers` text NOT NULL,
	`value` blob NOT NULL,
	`ledger_index` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `witness_position` (
	`witness` text PRIMARY KEY NOT NULL,
	`size` integer NOT NULL
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
