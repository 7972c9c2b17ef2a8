-- One transfer: four changes in one transaction.
BEGIN;
UPDATE banking.accounts SET balance = balance - 120.25 WHERE account_id = 10;
UPDATE banking.accounts SET balance = balance + 120.25 WHERE account_id = 20;
INSERT INTO banking.transactions (account_id, amount, kind, note) VALUES
    (10, -120.25, 'transfer', 'rent'), (20, 120.25, 'transfer', 'rent');
INSERT INTO banking.transfers (from_account, to_account, amount, details)
    VALUES (10, 20, 120.25, '{"purpose": "rent", "month": "2024-02"}');
COMMIT;
