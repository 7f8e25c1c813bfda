CREATE TRIGGER transfer_no_update BEFORE UPDATE ON transfer BEGIN SELECT RAISE(ABORT, 'transfer is append-only'); END
--> statement-breakpoint
CREATE TRIGGER transfer_no_delete BEFORE DELETE ON transfer BEGIN SELECT RAISE(ABORT, 'transfer is append-only'); END
--> statement-breakpoint
CREATE TRIGGER transfer_ends_pending BEFORE INSERT ON transfer WHEN NEW.stage <> 'pending' BEGIN
  SELECT RAISE(ABORT, 'no such pending transfer') WHERE NOT EXISTS (
    SELECT 1 FROM transfer AS p WHERE p.settlement_id = NEW.settlement_id AND p.rail = NEW.rail AND p.fund_source = NEW.fund_source
      AND p.stage = 'pending' AND p.debit = NEW.debit AND p.credit = NEW.credit AND p.amount = NEW.amount);
  SELECT RAISE(ABORT, 'transfer already ended') WHERE EXISTS (
    SELECT 1 FROM transfer AS e WHERE e.settlement_id = NEW.settlement_id AND e.rail = NEW.rail AND e.fund_source = NEW.fund_source
      AND e.stage <> 'pending');
END
--> statement-breakpoint
CREATE TRIGGER settlement_no_delete BEFORE DELETE ON settlement BEGIN SELECT RAISE(ABORT, 'a settlement is kept for ever'); END
--> statement-breakpoint
CREATE TRIGGER settlement_steps_once BEFORE UPDATE ON settlement BEGIN
  SELECT RAISE(ABORT, 'settlement has moved on') WHERE NEW.revision <> OLD.revision + 1;
  SELECT RAISE(ABORT, 'settlement is closed') WHERE OLD.state IN ('settled', 'refused', 'refunded');
END
