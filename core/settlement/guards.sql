CREATE TRIGGER transfer_no_update BEFORE UPDATE ON transfer BEGIN SELECT RAISE(ABORT, 'transfer is append-only'); END
--> statement-breakpoint
CREATE TRIGGER transfer_no_delete BEFORE DELETE ON transfer BEGIN SELECT RAISE(ABORT, 'transfer is append-only'); END
--> statement-breakpoint
CREATE TRIGGER transfer_above_zero BEFORE INSERT ON transfer WHEN NEW.amount <= 0 BEGIN SELECT RAISE(ABORT, 'a transfer moves something'); END
--> statement-breakpoint
CREATE TRIGGER transfer_ends_pending BEFORE INSERT ON transfer WHEN NEW.stage IN ('posted', 'voided', 'expired') BEGIN
  SELECT RAISE(ABORT, 'no such pending transfer') WHERE NOT EXISTS (
    SELECT 1 FROM transfer AS p WHERE p.group_id = NEW.group_id AND p.rail = NEW.rail AND p.fund_source = NEW.fund_source
      AND p.stage = 'pending' AND p.debit = NEW.debit AND p.credit = NEW.credit AND p.amount = NEW.amount);
  SELECT RAISE(ABORT, 'transfer already ended') WHERE EXISTS (
    SELECT 1 FROM transfer AS e WHERE e.group_id = NEW.group_id AND e.rail = NEW.rail AND e.fund_source = NEW.fund_source
      AND e.stage <> 'pending');
END
--> statement-breakpoint
CREATE TRIGGER transfer_reverses_posted BEFORE INSERT ON transfer WHEN NEW.stage = 'reversed' BEGIN
  SELECT RAISE(ABORT, 'no such posted transfer') WHERE NOT EXISTS (
    SELECT 1 FROM transfer AS p WHERE p.group_id = NEW.group_id AND p.rail = NEW.rail AND p.fund_source = NEW.fund_source
      AND p.stage = 'posted' AND p.debit = NEW.credit AND p.credit = NEW.debit AND p.amount = NEW.amount);
END
--> statement-breakpoint
CREATE TRIGGER transfer_open_day BEFORE INSERT ON transfer BEGIN
  SELECT RAISE(ABORT, 'the day is sealed') WHERE NEW.day <= (SELECT max(day) FROM seal);
END
--> statement-breakpoint
CREATE TRIGGER settlement_no_delete BEFORE DELETE ON settlement BEGIN SELECT RAISE(ABORT, 'a settlement is kept for ever'); END
--> statement-breakpoint
CREATE TRIGGER settlement_steps_once BEFORE UPDATE ON settlement WHEN NOT (
  OLD.state IN ('settled', 'refused', 'refunded') AND NEW.person IS NULL AND NEW.credential IS NULL AND NEW.care IS NULL
  AND (NEW.id, NEW.institution, NEW.out_trade_no, NEW.request_hash, NEW.action, NEW.parent_id, NEW.parent_settled_at_ms, NEW.scope, NEW.terminal, NEW.business_type, NEW.edge, NEW.amount, NEW.state, NEW.phase, NEW.region, NEW.bound, NEW.refusal, NEW.missing, NEW.unknown_reported, NEW.accepted_at_ms, NEW.recorded_at_ms, NEW.decided_at_ms, NEW.attempt, NEW.step_at_ms, NEW.revision, NEW.due_at_ms, NEW.topic, NEW."partition", NEW."offset", NEW.record_hash, NEW.ledger_index)
    IS (OLD.id, OLD.institution, OLD.out_trade_no, OLD.request_hash, OLD.action, OLD.parent_id, OLD.parent_settled_at_ms, OLD.scope, OLD.terminal, OLD.business_type, OLD.edge, OLD.amount, OLD.state, OLD.phase, OLD.region, OLD.bound, OLD.refusal, OLD.missing, OLD.unknown_reported, OLD.accepted_at_ms, OLD.recorded_at_ms, OLD.decided_at_ms, OLD.attempt, OLD.step_at_ms, OLD.revision, OLD.due_at_ms, OLD.topic, OLD."partition", OLD."offset", OLD.record_hash, OLD.ledger_index)
) BEGIN
  SELECT RAISE(ABORT, 'settlement has moved on') WHERE NEW.revision <> OLD.revision + 1;
  SELECT RAISE(ABORT, 'settlement is closed') WHERE OLD.state IN ('settled', 'refused', 'refunded');
END
--> statement-breakpoint
CREATE TRIGGER evidence_no_update BEFORE UPDATE ON evidence BEGIN SELECT RAISE(ABORT, 'evidence is append-only'); END
--> statement-breakpoint
CREATE TRIGGER evidence_no_delete BEFORE DELETE ON evidence BEGIN SELECT RAISE(ABORT, 'evidence is append-only'); END
--> statement-breakpoint
CREATE TRIGGER adjustment_no_update BEFORE UPDATE ON adjustment BEGIN SELECT RAISE(ABORT, 'adjustment is append-only'); END
--> statement-breakpoint
CREATE TRIGGER adjustment_no_delete BEFORE DELETE ON adjustment BEGIN SELECT RAISE(ABORT, 'adjustment is append-only'); END
--> statement-breakpoint
CREATE TRIGGER adjustment_two_people BEFORE INSERT ON adjustment WHEN NEW.kind = 'writeOff' BEGIN
  SELECT RAISE(ABORT, 'a write-off needs two people') WHERE NEW.approved_by IS NULL OR NEW.approved_by = NEW.requested_by;
END
--> statement-breakpoint
CREATE TRIGGER supplement_no_update BEFORE UPDATE ON supplement BEGIN SELECT RAISE(ABORT, 'supplement is append-only'); END
--> statement-breakpoint
CREATE TRIGGER supplement_no_delete BEFORE DELETE ON supplement BEGIN SELECT RAISE(ABORT, 'supplement is append-only'); END
--> statement-breakpoint
CREATE TRIGGER supplement_two_people BEFORE INSERT ON supplement WHEN NEW.approved_by = NEW.requested_by BEGIN
  SELECT RAISE(ABORT, 'a supplement needs two people');
END
--> statement-breakpoint
CREATE TRIGGER supplement_return_no_update BEFORE UPDATE ON supplement_return BEGIN SELECT RAISE(ABORT, 'supplement_return is append-only'); END
--> statement-breakpoint
CREATE TRIGGER supplement_return_no_delete BEFORE DELETE ON supplement_return BEGIN SELECT RAISE(ABORT, 'supplement_return is append-only'); END
--> statement-breakpoint
CREATE TRIGGER supplement_return_two_people BEFORE INSERT ON supplement_return BEGIN
  SELECT RAISE(ABORT, 'no such supplement') WHERE NOT EXISTS (SELECT 1 FROM supplement WHERE id = NEW.id);
  SELECT RAISE(ABORT, 'the return of a supplement needs two people') WHERE NEW.approved_by = NEW.requested_by;
END
--> statement-breakpoint
CREATE TRIGGER seal_no_update BEFORE UPDATE ON seal BEGIN SELECT RAISE(ABORT, 'a sealed day is not changed'); END
--> statement-breakpoint
CREATE TRIGGER seal_no_delete BEFORE DELETE ON seal BEGIN SELECT RAISE(ABORT, 'a sealed day is not changed'); END
--> statement-breakpoint
CREATE TRIGGER seal_in_order BEFORE INSERT ON seal BEGIN
  SELECT RAISE(ABORT, 'the day is sealed') WHERE NEW.day <= (SELECT max(day) FROM seal);
  SELECT RAISE(ABORT, 'an earlier day is open') WHERE EXISTS (
    SELECT 1 FROM transfer WHERE day < NEW.day AND day > coalesce((SELECT max(day) FROM seal), 0) AND stage IN ('posted', 'reversed'));
END
--> statement-breakpoint
CREATE TRIGGER sealed_balance_before_seal BEFORE INSERT ON sealed_balance BEGIN
  SELECT RAISE(ABORT, 'the day is sealed') WHERE NEW.day <= (SELECT max(day) FROM seal);
END
--> statement-breakpoint
CREATE TRIGGER sealed_balance_no_update BEFORE UPDATE ON sealed_balance BEGIN SELECT RAISE(ABORT, 'a sealed day is not changed'); END
--> statement-breakpoint
CREATE TRIGGER sealed_balance_no_delete BEFORE DELETE ON sealed_balance BEGIN SELECT RAISE(ABORT, 'a sealed day is not changed'); END
