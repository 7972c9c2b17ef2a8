// Licensed under the Apache License, Version 2.0.
//
// Writes what Java serialises arrays of objects to, one a line: a name and hex digits. Debezium stores keys in this form.
//
//   java -cp 'POSTGRES_DRIVER.jar' parity/java/JavaObjects.java > parity/recorded/java-objects.txt

import java.io.ByteArrayOutputStream;
import java.io.ObjectOutputStream;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.sql.Date;
import java.sql.Time;
import java.sql.Timestamp;
import java.time.LocalDate;
import java.util.HexFormat;
import java.util.TimeZone;
import java.util.UUID;

import org.postgresql.util.PGobject;

public class JavaObjects {

    private static void show(String name, Object... array) throws Exception {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ObjectOutputStream out = new ObjectOutputStream(bytes)) {
            out.writeObject(array);
        }
        System.out.println(name + " " + HexFormat.of().formatHex(bytes.toByteArray()));
    }

    public static void main(String[] arguments) throws Exception {
        TimeZone.setDefault(TimeZone.getTimeZone("UTC"));
        UUID uuid = UUID.fromString("00000000-0000-4000-8000-000000000001");
        Timestamp timestamp = Timestamp.valueOf("2024-01-02 10:00:00.123456");
        PGobject inet = new PGobject();
        inet.setType("inet");
        inet.setValue("10.0.0.1");
        show("null", (Object[]) null);
        show("integers", 1, -2, 1, 1000, 1000);
        show("longs", 5L, 5L, 1L << 40);
        show("shorts", (short) 7, (short) 700);
        show("bytes", (byte) 7);
        show("strings", "h\u00e9llo \ud83d\ude00", "", "a\u0000b");
        show("booleans", true, false, true);
        show("nulls", null, 3);
        show("doubles", 1.5, Double.NaN);
        show("floats", 2.5f);
        show("decimals", new BigDecimal("12.25"), new BigDecimal("-123456789012345678901234567890.5"), new BigDecimal("0.00"),
                new BigDecimal("0.5"), new BigDecimal("5"));
        show("integers_big", new BigInteger("-255"), new BigInteger("5"));
        show("timestamp", timestamp);
        show("early", Timestamp.valueOf("1969-12-31 23:59:59.5"));
        show("date", Date.valueOf("2024-01-02"));
        show("time", Time.valueOf("10:00:00"));
        show("uuid", uuid);
        show("bytea", new byte[]{ 1, (byte) 0xff }, new byte[0]);
        show("pgobject", inet);
        show("mixed", 1, 5L, (short) 7, "a", new BigDecimal("1.5"), new BigDecimal("2.5"), uuid, timestamp,
                Date.valueOf("2024-01-02"), true, new byte[]{ 1 }, new byte[]{ 2 }, 2, inet);
        show("shared", timestamp, timestamp);
        show("foreign", LocalDate.of(2024, 1, 2));
    }
}
