CREATE TABLE `fraud_alert` (
	`alert_id` text PRIMARY KEY NOT NULL,
	`position` integer NOT NULL,
	`nth` integer NOT NULL,
	`rule` text NOT NULL,
	`key` text NOT NULL,
	`at_ms` integer NOT NULL,
	`data` text NOT NULL
);
--> statement-breakpoint
CREATE INDEX `fraud_alert_order` ON `fraud_alert` (`position`,`nth`);--> statement-breakpoint
CREATE INDEX `fraud_alert_time` ON `fraud_alert` (`at_ms`);--> statement-breakpoint
CREATE TABLE `fraud_journal` (
	`position` integer PRIMARY KEY NOT NULL,
	`topic` text NOT NULL,
	`partition` integer NOT NULL,
	`offset` integer NOT NULL,
	`event_key` blob,
	`at_ms` integer,
	`status` text NOT NULL,
	`reason` text
);
--> statement-breakpoint
CREATE UNIQUE INDEX `fraud_journal_event` ON `fraud_journal` (`event_key`);--> statement-breakpoint
CREATE UNIQUE INDEX `fraud_journal_place` ON `fraud_journal` (`topic`,`partition`,`offset`);--> statement-breakpoint
CREATE INDEX `fraud_journal_time` ON `fraud_journal` (`at_ms`);--> statement-breakpoint
CREATE TABLE `fraud_offset` (
	`topic` text NOT NULL,
	`partition` integer NOT NULL,
	`next_offset` integer NOT NULL,
	PRIMARY KEY(`topic`, `partition`)
);
--> statement-breakpoint
CREATE TABLE `fraud_rule` (
	`rule` text NOT NULL,
	`version` text NOT NULL,
	`digest` text NOT NULL,
	`at_ms` integer NOT NULL,
	PRIMARY KEY(`rule`, `version`)
);
--> statement-breakpoint
CREATE TABLE `fraud_ruleset` (
	`from_position` integer PRIMARY KEY NOT NULL,
	`digest` text NOT NULL,
	`definitions` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `fraud_state` (
	`id` integer PRIMARY KEY NOT NULL,
	`position` integer NOT NULL,
	`watermark_ms` integer NOT NULL,
	`ruleset_digest` text NOT NULL,
	`state_digest` text
);
--> statement-breakpoint
CREATE TABLE `supervision_claim` (
	`day` text NOT NULL,
	`institution` text NOT NULL,
	`ending` text NOT NULL,
	`claims` integer NOT NULL,
	PRIMARY KEY(`day`, `institution`, `ending`)
);
--> statement-breakpoint
CREATE TABLE `supervision_fund` (
	`day` text NOT NULL,
	`institution` text NOT NULL,
	`rail` text NOT NULL,
	`fund_source` text NOT NULL,
	`settled_fen` integer NOT NULL,
	`refunded_fen` integer NOT NULL,
	PRIMARY KEY(`day`, `institution`, `rail`, `fund_source`)
);
--> statement-breakpoint
CREATE TABLE `supervision_offset` (
	`topic` text NOT NULL,
	`partition` integer NOT NULL,
	`next_offset` integer NOT NULL,
	PRIMARY KEY(`topic`, `partition`)
);
--> statement-breakpoint
CREATE TABLE `supervision_quarantine` (
	`topic` text NOT NULL,
	`partition` integer NOT NULL,
	`offset` integer NOT NULL,
	`reason` text NOT NULL,
	PRIMARY KEY(`topic`, `partition`, `offset`)
);
--> statement-breakpoint
CREATE TABLE `supervision_scan` (
	`day` text NOT NULL,
	`institution` text NOT NULL,
	`step` text NOT NULL,
	`outcome` text NOT NULL,
	`observed_by` text NOT NULL,
	`scans` integer NOT NULL,
	PRIMARY KEY(`day`, `institution`, `step`, `outcome`, `observed_by`)
);
--> statement-breakpoint
CREATE TABLE `supervision_seen` (
	`event_key` blob PRIMARY KEY NOT NULL,
	`at_ms` integer NOT NULL
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
