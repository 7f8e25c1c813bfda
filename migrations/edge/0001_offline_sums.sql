DROP TABLE `offline_taken`;--> statement-breakpoint
ALTER TABLE `taken_request` ADD `fen` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
CREATE INDEX `taken_request_sum` ON `taken_request` (`org_id`,`accepted_at_ms`,`fen`);