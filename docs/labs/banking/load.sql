-- Load: one transaction with so many bookings, and the balances that follow from them.
--   psql -v rows=1000 -f load.sql
\if :{?rows}
\else
\set rows 1000
\endif
WITH booked AS (
    INSERT INTO banking.transactions (account_id, amount, kind, note)
        SELECT 10 * (1 + i % 3), (i % 1000) / 100.0, 'deposit', 'load ' || i FROM generate_series(1, :rows) i
        RETURNING account_id, amount
)
UPDATE banking.accounts SET balance = balance + total
    FROM (SELECT account_id, sum(amount) AS total FROM booked GROUP BY account_id) totals
    WHERE totals.account_id = accounts.account_id;
