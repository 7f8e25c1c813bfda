DROP INDEX `fraud_journal_place`;
--> statement-breakpoint
CREATE INDEX `fraud_journal_at` ON `fraud_journal` (`topic`,`partition`,`offset`);
