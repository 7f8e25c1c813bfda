CREATE TRIGGER statement_mapping_no_update BEFORE UPDATE ON statement_mapping BEGIN SELECT RAISE(ABORT, 'a mapping is kept as it was set'); END
--> statement-breakpoint
CREATE TRIGGER statement_mapping_no_delete BEFORE DELETE ON statement_mapping BEGIN SELECT RAISE(ABORT, 'a mapping is kept as it was set'); END
