-- A small bank. Runs on any PostgreSQL from version 10 on; run it as often as you like.
DROP SCHEMA IF EXISTS banking CASCADE;
CREATE SCHEMA banking;
SET search_path = banking;

CREATE TABLE customers (
    customer_id bigint PRIMARY KEY,
    first_name text NOT NULL,
    last_name text NOT NULL,
    email varchar(120) NOT NULL UNIQUE,
    country char(2) NOT NULL DEFAULT 'DE',
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE accounts (
    account_id bigint PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES customers,
    iban varchar(34) NOT NULL UNIQUE,
    currency char(3) NOT NULL DEFAULT 'EUR',
    balance numeric(18, 2) NOT NULL DEFAULT 0 CHECK (balance >= 0),
    opened_on date NOT NULL DEFAULT current_date,
    closed boolean NOT NULL DEFAULT false
);

CREATE TABLE transactions (
    transaction_id bigserial PRIMARY KEY,
    account_id bigint NOT NULL REFERENCES accounts,
    amount numeric(18, 2) NOT NULL,
    kind varchar(10) NOT NULL CHECK (kind IN ('deposit', 'withdrawal', 'transfer')),
    note text,
    booked_at timestamp(3) NOT NULL DEFAULT now()
);

CREATE TABLE transfers (
    transfer_id bigserial PRIMARY KEY,
    from_account bigint NOT NULL REFERENCES accounts,
    to_account bigint NOT NULL REFERENCES accounts,
    amount numeric(18, 2) NOT NULL CHECK (amount > 0),
    details jsonb,
    requested_at timestamptz NOT NULL DEFAULT now()
);

-- Accounts tell the whole row before a change, the others their key.
ALTER TABLE accounts REPLICA IDENTITY FULL;

INSERT INTO customers (customer_id, first_name, last_name, email, country, created_at) VALUES
    (1, 'Ada', 'Lovelace', 'ada@example.org', 'GB', '2024-01-02 10:00:00+00'),
    (2, 'Konrad', 'Zuse', 'konrad@example.org', 'DE', '2024-01-03 11:30:00+00'),
    (3, 'Grace', 'Hopper', 'grace@example.org', 'US', '2024-01-04 09:15:00+00');

INSERT INTO accounts (account_id, customer_id, iban, currency, balance, opened_on) VALUES
    (10, 1, 'GB33BUKB20201555555555', 'GBP', 1500.00, '2024-01-02'),
    (20, 2, 'DE89370400440532013000', 'EUR', 320.50, '2024-01-03'),
    (30, 3, 'US00RACC000000000003', 'USD', 0.00, '2024-01-04');
