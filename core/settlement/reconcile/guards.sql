CREATE TRIGGER case_step_no_update BEFORE UPDATE ON case_step BEGIN SELECT RAISE(ABORT, 'case_step is append-only'); END
--> statement-breakpoint
CREATE TRIGGER case_step_no_delete BEFORE DELETE ON case_step BEGIN SELECT RAISE(ABORT, 'case_step is append-only'); END
--> statement-breakpoint
CREATE TRIGGER case_no_delete BEFORE DELETE ON reconciliation_case BEGIN SELECT RAISE(ABORT, 'a case is kept for ever'); END
--> statement-breakpoint
CREATE TRIGGER case_steps_once BEFORE UPDATE ON reconciliation_case BEGIN
  SELECT RAISE(ABORT, 'the case has moved on') WHERE NEW.steps <> OLD.steps + 1;
  SELECT RAISE(ABORT, 'the case is closed') WHERE OLD.state IN ('resolved', 'writtenOff');
END
--> statement-breakpoint
CREATE TRIGGER run_ends_once BEFORE UPDATE ON run BEGIN SELECT RAISE(ABORT, 'the run is finished') WHERE OLD.state = 'finished'; END
--> statement-breakpoint
CREATE TRIGGER run_no_delete BEFORE DELETE ON run BEGIN SELECT RAISE(ABORT, 'a run is kept for ever'); END
--> statement-breakpoint
CREATE TRIGGER day_seal_no_update BEFORE UPDATE ON day_seal BEGIN SELECT RAISE(ABORT, 'a seal is kept as it is'); END
--> statement-breakpoint
CREATE TRIGGER day_seal_no_delete BEFORE DELETE ON day_seal BEGIN SELECT RAISE(ABORT, 'a seal is kept as it is'); END
--> statement-breakpoint
CREATE TRIGGER statement_mapping_no_update BEFORE UPDATE ON statement_mapping BEGIN SELECT RAISE(ABORT, 'a mapping is kept as it was set'); END
--> statement-breakpoint
CREATE TRIGGER statement_mapping_no_delete BEFORE DELETE ON statement_mapping BEGIN SELECT RAISE(ABORT, 'a mapping is kept as it was set'); END
