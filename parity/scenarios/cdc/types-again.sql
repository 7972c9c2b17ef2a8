-- Every row once more, so that the log has what the snapshot had.
DO $$
DECLARE
    name text;
    columns text;
BEGIN
    FOR name IN SELECT table_name FROM information_schema.tables WHERE table_schema = 'types' ORDER BY 1 LOOP
        SELECT string_agg(quote_ident(column_name), ',' ORDER BY ordinal_position) INTO columns
        FROM information_schema.columns
        WHERE table_schema = 'types' AND table_name = name AND column_name <> 'id';
        EXECUTE format('INSERT INTO types.%I (id, %s) SELECT id + 100, %s FROM types.%I WHERE id < 100 ORDER BY id',
            name, columns, columns, name);
    END LOOP;
END $$;
