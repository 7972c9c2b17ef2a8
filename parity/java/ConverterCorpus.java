// Licensed under the Apache License, Version 2.0.
//
// Writes what Kafka Connect's own converters make of a corpus of inputs, one JSON object per line:
//
//   javac -cp 'KAFKA_JARS/*' -d CLASSES parity/java/*.java
//   java -cp 'CLASSES:KAFKA_JARS/*' ConverterCorpus parity/recorded/converters [SEED COUNT]
//
// with SEED only random inputs, as many rounds of them as COUNT says.
//
// A line holds: converter (class), config, op, in, and out or error.
//   op "encode"         in {schema, value}  -> out {bytes}            Converter.fromConnectData
//   op "decode"         in {bytes}          -> out {schema, value}    Converter.toConnectData
//   op "encode_header"  in {schema, value}  -> out {bytes}            HeaderConverter.fromConnectHeader
//   op "decode_header"  in {bytes}          -> out {schema, value}    HeaderConverter.toConnectHeader
// Bytes are null, {"text": ...} when they are UTF-8, else {"base64": ...}.
// Schemas and values have the form that Description.java explains.
// The identity of a byte array, where its toString was written, is {{hash}}.
// An error is {class, message, cause}, where cause is an error or absent.

import java.io.BufferedWriter;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Date;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;

import org.apache.kafka.connect.converters.BooleanConverter;
import org.apache.kafka.connect.converters.ByteArrayConverter;
import org.apache.kafka.connect.converters.DoubleConverter;
import org.apache.kafka.connect.converters.FloatConverter;
import org.apache.kafka.connect.converters.IntegerConverter;
import org.apache.kafka.connect.converters.LongConverter;
import org.apache.kafka.connect.converters.ShortConverter;
import org.apache.kafka.connect.data.Decimal;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.data.Time;
import org.apache.kafka.connect.data.Timestamp;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.storage.Converter;
import org.apache.kafka.connect.storage.HeaderConverter;
import org.apache.kafka.connect.storage.SimpleHeaderConverter;
import org.apache.kafka.connect.storage.StringConverter;

public class ConverterCorpus extends Description {
    static final long SEED = 4_3_1L;
    static long seed = SEED;
    static int count = 140;
    static BufferedWriter out;
    static final Set<String> written = new LinkedHashSet<>();

    public static void main(String[] args) throws Exception {
        // A stack of its own size, so that how deep the converters can go does not depend on the machine.
        Throwable[] failure = {null};
        Thread thread = new Thread(null, () -> {
            try {
                write(args);
            } catch (Throwable e) {
                failure[0] = e;
            }
        }, "corpus", 64 << 20);
        thread.start();
        thread.join();
        if (failure[0] != null)
            throw new RuntimeException(failure[0]);
    }

    static void write(String[] args) throws Exception {
        Path folder = Path.of(args[0]);
        Files.createDirectories(folder);
        if (args.length > 1) {
            seed = Long.parseLong(args[1]);
            count = Integer.parseInt(args[2]);
            section(folder, "json-random", ConverterCorpus::jsonRandom);
            section(folder, "header-random", ConverterCorpus::headersRandom);
            return;
        }
        section(folder, "string", ConverterCorpus::strings);
        section(folder, "primitives", ConverterCorpus::primitives);
        section(folder, "json-encode", ConverterCorpus::jsonEncode);
        section(folder, "json-decode", ConverterCorpus::jsonDecode);
        section(folder, "json-random", ConverterCorpus::jsonRandom);
        section(folder, "header", ConverterCorpus::headers);
        section(folder, "header-random", ConverterCorpus::headersRandom);
    }

    interface Part {
        void run() throws Exception;
    }

    static void section(Path folder, String name, Part part) throws Exception {
        written.clear();
        out = Files.newBufferedWriter(folder.resolve(name + ".jsonl"));
        part.run();
        out.close();
    }

    // ---- the corpus --------------------------------------------------------------------------------------------

    static final String[] TEXTS = {
        "", "a", "hello", " lead and trail ", "tab\tnew\nline\rreturn", "\u0000\u0001\u001f\u007f", "quote\" back\\ slash/",
        "\u00e9\u00fc\u00f1", "\u20ac", "\u4e2d\u6587", "\ud83d\ude00", "\u2028\u2029", "\ufeffbom", "\ud800", "a\udc00b",
        "\ud83d", "null", "true", "1", "\uffff", "x\u0080y\u009fz",
    };
    static final double[] DOUBLES = {
        0.0, -0.0, 1.0, -1.0, 1.5, 0.1, 0.001, 0.0001, 1e6, 1e7, 9999999.0, 12345678.9, 1e10, 1.0E10 + 0.5, 1e16, 1e17, 1e21,
        1e22, 1e23, 2e-3, 1.1e-5, Double.MAX_VALUE, Double.MIN_VALUE, Double.MIN_NORMAL, 2.2250738585072011e-308,
        4.9E-324, Math.PI, Math.E, 100.0, 123456789012345680.0, 9007199254740993.0, 2.0E-3, 8.41E21, 2.2E-322,
        Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY,
    };
    static final float[] FLOATS = {
        0f, -0f, 1f, -1f, 1.5f, 0.1f, 0.001f, 1e-4f, 1e6f, 1e7f, 9999999f, 1.0E10f, 16777216f, 3.4028235e38f, 1.4e-45f,
        1.17549435E-38f, 33554432f, 1.1f, 8.5e-3f, Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY,
    };
    static final long[] LONGS = {
        0, 1, -1, 127, 128, -128, -129, 32767, 32768, -32769, 2147483647L, 2147483648L, -2147483649L, Long.MAX_VALUE, Long.MIN_VALUE,
    };
    static final String[] DECIMALS = {
        "0", "0.00", "1", "-1", "1.5", "156", "1.56", "-1.560", "12345678901234567890.123456789", "1E+3", "1E-10", "-0.1",
        "127", "128", "255", "-128", "-129", "0.000000001", "1E+20", "99999999999999999999999999999999999999",
    };
    static final long[] TIMES = {
        0, 1, -1, 86_399_999L, 86_400_000L, -86_400_000L, 1_700_000_000_123L, 1_700_006_400_000L, -62_135_596_800_000L, 253_402_300_799_999L,
    };

    static Schema struct(Object... parts) {
        SchemaBuilder builder = SchemaBuilder.struct();
        for (int i = 0; i < parts.length; i += 2)
            builder.field((String) parts[i], (Schema) parts[i + 1]);
        return builder.build();
    }

    /** Values with their schemas, of every type, with and without options, names and defaults. */
    static List<SchemaAndValue> typed() {
        List<SchemaAndValue> all = new ArrayList<>();
        for (boolean b : new boolean[] {true, false})
            add(all, Schema.BOOLEAN_SCHEMA, b);
        for (long n : LONGS) {
            if (n == (byte) n)
                add(all, Schema.INT8_SCHEMA, (byte) n);
            if (n == (short) n)
                add(all, Schema.INT16_SCHEMA, (short) n);
            if (n == (int) n)
                add(all, Schema.INT32_SCHEMA, (int) n);
            add(all, Schema.INT64_SCHEMA, n);
        }
        for (float f : FLOATS)
            add(all, Schema.FLOAT32_SCHEMA, f);
        for (double d : DOUBLES)
            add(all, Schema.FLOAT64_SCHEMA, d);
        for (String s : TEXTS)
            add(all, Schema.STRING_SCHEMA, s);
        for (byte[] b : new byte[][] {{}, {0}, {-1, 0, 127, -128}, "text".getBytes(StandardCharsets.UTF_8), new byte[100]}) {
            add(all, Schema.BYTES_SCHEMA, b);
            add(all, Schema.OPTIONAL_BYTES_SCHEMA, ByteBuffer.wrap(b));
        }
        for (String d : DECIMALS) {
            BigDecimal value = new BigDecimal(d);
            add(all, Decimal.schema(value.scale()), value);
        }
        for (long t : TIMES) {
            add(all, Timestamp.SCHEMA, new Date(t));
            add(all, Time.SCHEMA, new Date(t));
            add(all, org.apache.kafka.connect.data.Date.SCHEMA, new Date(t));
        }
        Schema[] plain = {
            Schema.BOOLEAN_SCHEMA, Schema.INT8_SCHEMA, Schema.INT16_SCHEMA, Schema.INT32_SCHEMA, Schema.INT64_SCHEMA,
            Schema.FLOAT32_SCHEMA, Schema.FLOAT64_SCHEMA, Schema.STRING_SCHEMA, Schema.BYTES_SCHEMA,
            Schema.OPTIONAL_BOOLEAN_SCHEMA, Schema.OPTIONAL_INT8_SCHEMA, Schema.OPTIONAL_INT16_SCHEMA,
            Schema.OPTIONAL_INT32_SCHEMA, Schema.OPTIONAL_INT64_SCHEMA, Schema.OPTIONAL_FLOAT32_SCHEMA,
            Schema.OPTIONAL_FLOAT64_SCHEMA, Schema.OPTIONAL_STRING_SCHEMA, Schema.OPTIONAL_BYTES_SCHEMA,
        };
        for (Schema schema : plain)
            add(all, schema, null);
        for (Schema schema : new Schema[] {
            Timestamp.builder().optional().build(), Time.builder().optional().build(),
            org.apache.kafka.connect.data.Date.builder().optional().build(), Decimal.builder(2).optional().build(),
            Decimal.schema(2), Timestamp.SCHEMA,
        })
            add(all, schema, null);
        defaults(all);
        containers(all);
        wrong(all);
        return all;
    }

    static void defaults(List<SchemaAndValue> all) {
        Schema[] schemas = {
            SchemaBuilder.bool().optional().defaultValue(true).build(),
            SchemaBuilder.int8().optional().defaultValue((byte) 7).build(),
            SchemaBuilder.int16().defaultValue((short) 7).build(),
            SchemaBuilder.int32().defaultValue(7).doc("a doc").build(),
            SchemaBuilder.int64().optional().defaultValue(7L).name("named").version(3).build(),
            SchemaBuilder.float32().optional().defaultValue(1.5f).build(),
            SchemaBuilder.float64().optional().defaultValue(1.0e10).build(),
            SchemaBuilder.string().optional().defaultValue("d\u00e9f").parameter("p", "1").parameter("a", "2").build(),
            SchemaBuilder.bytes().optional().defaultValue(ByteBuffer.wrap(new byte[] {1, 2})).build(),
            SchemaBuilder.array(Schema.INT32_SCHEMA).optional().defaultValue(List.of(1, 2)).build(),
            SchemaBuilder.map(Schema.STRING_SCHEMA, Schema.INT32_SCHEMA).optional().defaultValue(Map.of("k", 1)).build(),
            Decimal.builder(2).optional().defaultValue(new BigDecimal("1.50")).build(),
            Timestamp.builder().optional().defaultValue(new Date(1_700_000_000_123L)).build(),
            org.apache.kafka.connect.data.Date.builder().optional().defaultValue(new Date(86_400_000L)).build(),
            Time.builder().optional().defaultValue(new Date(1L)).build(),
        };
        for (Schema schema : schemas) {
            add(all, schema, null);
            Schema outer = struct("f", schema, "g", Schema.OPTIONAL_STRING_SCHEMA);
            add(all, outer, new Struct(outer));
            add(all, outer, new Struct(outer).put("f", schema.isOptional() ? null : schema.defaultValue()));
            add(all, SchemaBuilder.array(schema).build(), Arrays.asList(null, schema.defaultValue()));
        }
    }

    static void containers(List<SchemaAndValue> all) {
        Schema ints = SchemaBuilder.array(Schema.INT32_SCHEMA).build();
        add(all, ints, List.of());
        add(all, ints, List.of(1, 2, 3));
        add(all, SchemaBuilder.array(Schema.OPTIONAL_STRING_SCHEMA).name("list").build(), Arrays.asList("a", null, ""));
        add(all, SchemaBuilder.array(ints).optional().build(), List.of(List.of(1), List.of()));
        add(all, SchemaBuilder.array(Schema.FLOAT64_SCHEMA).build(), List.of(1e10, Double.NaN, -0.0));
        Schema texts = SchemaBuilder.map(Schema.STRING_SCHEMA, Schema.OPTIONAL_INT32_SCHEMA).build();
        add(all, texts, map());
        add(all, texts, map("b", 1, "a", null, "\u00fc\"", 3));
        add(all, SchemaBuilder.map(Schema.OPTIONAL_STRING_SCHEMA, Schema.INT32_SCHEMA).build(), map("b", 1, "a", 2));
        add(all, SchemaBuilder.map(Schema.OPTIONAL_STRING_SCHEMA, Schema.INT32_SCHEMA).build(), map(null, 1));
        add(all, SchemaBuilder.map(Schema.INT32_SCHEMA, Schema.STRING_SCHEMA).build(), map(2, "b", 1, "a"));
        add(all, SchemaBuilder.map(Schema.BOOLEAN_SCHEMA, ints).build(), map(true, List.of(1)));
        add(all, SchemaBuilder.map(ints, Schema.STRING_SCHEMA).build(), map(List.of(1, 2), "x"));
        Schema point = SchemaBuilder.struct().name("geo.Point").version(2).doc("a point").field("x", Schema.INT32_SCHEMA)
            .field("y", Schema.OPTIONAL_FLOAT64_SCHEMA).build();
        add(all, point, new Struct(point).put("x", 1));
        add(all, point, new Struct(point).put("x", 1).put("y", 2.5));
        Schema empty = SchemaBuilder.struct().build();
        add(all, empty, new Struct(empty));
        Schema deep = struct("p", point, "list", SchemaBuilder.array(point).build(), "m",
            SchemaBuilder.map(Schema.STRING_SCHEMA, point).optional().build(), "na\"me\u00e9", Schema.STRING_SCHEMA);
        Struct p = new Struct(point).put("x", 1);
        add(all, deep, new Struct(deep).put("p", p).put("list", List.of(p, p)).put("m", map("k", p)).put("na\"me\u00e9", "v"));
        add(all, deep, new Struct(deep).put("p", p).put("list", List.of()).put("na\"me\u00e9", ""));
        Schema every = struct("bool", Schema.BOOLEAN_SCHEMA, "i8", Schema.INT8_SCHEMA, "i16", Schema.INT16_SCHEMA, "i32",
            Schema.INT32_SCHEMA, "i64", Schema.INT64_SCHEMA, "f32", Schema.FLOAT32_SCHEMA, "f64", Schema.FLOAT64_SCHEMA,
            "s", Schema.STRING_SCHEMA, "b", Schema.BYTES_SCHEMA, "dec", Decimal.schema(2), "ts", Timestamp.SCHEMA, "d",
            org.apache.kafka.connect.data.Date.SCHEMA, "t", Time.SCHEMA);
        add(all, every, new Struct(every).put("bool", true).put("i8", (byte) 1).put("i16", (short) 2).put("i32", 3).put("i64", 4L)
            .put("f32", 0.1f).put("f64", 0.1).put("s", "s").put("b", new byte[] {1}).put("dec", new BigDecimal("1.23"))
            .put("ts", new Date(5)).put("d", new Date(86_400_000L)).put("t", new Date(7)));
        add(all, SchemaBuilder.struct().optional().field("a", Schema.INT32_SCHEMA).build(), null);
        add(all, SchemaBuilder.string().name("io.debezium.data.Json").version(1).optional().build(), "{\"a\":1}");
        add(all, SchemaBuilder.string().name("io.debezium.data.Enum").version(1).parameter("allowed", "b,a").build(), "a");
        add(all, SchemaBuilder.int64().name("io.debezium.time.MicroTimestamp").version(1).build(), 1L);
    }

    /** Values that do not fit their schemas, and values without one. */
    static void wrong(List<SchemaAndValue> all) {
        add(all, Schema.INT32_SCHEMA, "text");
        add(all, Schema.INT32_SCHEMA, 1L);
        add(all, Schema.STRING_SCHEMA, 1);
        add(all, Schema.BOOLEAN_SCHEMA, "true");
        add(all, Schema.FLOAT64_SCHEMA, 1);
        add(all, Schema.BYTES_SCHEMA, "text");
        add(all, Decimal.schema(2), "1.5");
        add(all, Decimal.schema(2), new BigDecimal("1.5"));
        add(all, Timestamp.SCHEMA, 5L);
        add(all, SchemaBuilder.array(Schema.INT32_SCHEMA).build(), "text");
        add(all, SchemaBuilder.array(Schema.INT32_SCHEMA).build(), List.of("a"));
        add(all, SchemaBuilder.array(Schema.INT32_SCHEMA).build(), Arrays.asList(1, null));
        add(all, SchemaBuilder.map(Schema.STRING_SCHEMA, Schema.INT32_SCHEMA).build(), map(1, 1));
        Schema one = struct("a", Schema.INT32_SCHEMA);
        Schema two = struct("b", Schema.INT32_SCHEMA);
        add(all, one, new Struct(two).put("b", 1));
        add(all, one, new Struct(one));
        add(all, one, map("a", 1));
        Object[] schemaless = {
            null, true, (byte) 1, (short) 2, 3, 4L, 5.5f, 6.5, 1e10, -0.0, Double.NaN, Float.POSITIVE_INFINITY, 0.1f, "text", "", new byte[] {1, 2},
            ByteBuffer.wrap(new byte[] {3}), List.of(), Arrays.asList(1, "a", null, 1.5, true), map(), map("a", 1, "b", null),
            map("z", List.of(1L), "a", map("n", 1)), map(1, "a", 2, "b"), map(null, 1), new BigDecimal("1.50"), new BigInteger("12"),
            new Date(1_700_000_000_123L), List.of(new BigDecimal("1E+3"), new Date(0)), new Struct(one).put("a", 1), "\ud83d\ude00",
            "\ud800", "\u2028", Long.MAX_VALUE,
        };
        for (Object value : schemaless)
            add(all, null, value);
    }

    // ---- converters --------------------------------------------------------------------------------------------

    static void strings() throws Exception {
        for (SchemaAndValue sv : typed())
            encode(new StringConverter(), Map.of(), sv);
        List<SchemaAndValue> texts = new ArrayList<>();
        for (String text : TEXTS)
            add(texts, Schema.STRING_SCHEMA, text);
        for (String encoding : new String[] {"UTF-16", "UTF-16LE", "ISO-8859-1", "US-ASCII", "utf8", "NONE", ""}) {
            Map<String, String> config = Map.of("converter.encoding", encoding);
            for (SchemaAndValue sv : texts)
                encode(new StringConverter(), config, sv);
            for (byte[] bytes : byteStrings())
                decode(new StringConverter(), config, bytes);
        }
        for (byte[] bytes : byteStrings())
            decode(new StringConverter(), Map.of(), bytes);
    }

    static List<byte[]> byteStrings() {
        List<byte[]> all = new ArrayList<>();
        all.add(null);
        for (String hex : new String[] {
            "", "61", "c3a9", "e282ac", "f09f9880", "ff", "c3", "c328", "e282", "e28261", "f09f98", "eda080", "c080", "f4908080",
            "61ff62", "efbbbf61", "00", "feff0061", "fffe6100", "0061", "80", "f8808080", "e0809f", "f0808080", "edbfbf", "61c3", "efbfbf",
            "c3a9c3", "f09f98f09f9880", "ffffff",
        })
            all.add(hex(hex));
        return all;
    }

    static void primitives() throws Exception {
        Converter[] converters = {
            new ByteArrayConverter(), new BooleanConverter(), new ShortConverter(), new IntegerConverter(), new LongConverter(), new FloatConverter(),
            new DoubleConverter(),
        };
        Object[] values = {
            null, true, false, (byte) 1, (short) 2, (short) -2, Short.MAX_VALUE, 3, -3, Integer.MIN_VALUE, 4L, Long.MIN_VALUE, 1.5f, Float.NaN, -0f, 1.5, Double.NaN,
            -0.0, 1e10, "text", "1", new byte[] {}, new byte[] {1, 2}, ByteBuffer.wrap(new byte[] {1, 2}), List.of(1), map("a", 1), new BigDecimal("1"),
            new Date(0),
        };
        Schema[] schemas = {
            null, Schema.BOOLEAN_SCHEMA, Schema.OPTIONAL_BOOLEAN_SCHEMA, Schema.INT8_SCHEMA, Schema.INT16_SCHEMA, Schema.OPTIONAL_INT16_SCHEMA, Schema.INT32_SCHEMA,
            Schema.INT64_SCHEMA, Schema.FLOAT32_SCHEMA, Schema.FLOAT64_SCHEMA, Schema.STRING_SCHEMA, Schema.BYTES_SCHEMA, Schema.OPTIONAL_BYTES_SCHEMA,
            Decimal.schema(0), Timestamp.SCHEMA,
        };
        for (Converter converter : converters) {
            for (Schema schema : schemas) {
                boolean own = schema == null || fits(converter, schema);
                int fitting = 0;
                for (Object value : values)
                    if (schema == null || value == null || fits(schema, value))
                        // All values of another type fail alike: one stands for them.
                        if (own || fitting++ < 2)
                            encode(converter, Map.of(), new SchemaAndValue(schema, value));
            }
            for (SchemaAndValue sv : typed())
                if (sv.schema() != null && sv.schema().name() == null && fits(converter, sv.schema()))
                    encode(converter, Map.of(), sv);
            decode(converter, Map.of(), null);
            for (int length = 0; length <= 9; length++) {
                byte[] ones = new byte[length];
                byte[] mixed = new byte[length];
                for (int i = 0; i < length; i++) {
                    ones[i] = -1;
                    mixed[i] = (byte) (i * 37 + 1);
                }
                decode(converter, Map.of(), new byte[length]);
                decode(converter, Map.of(), ones);
                decode(converter, Map.of(), mixed);
            }
            for (String hex : new String[] {"01", "02", "74727565", "7fc00000", "7ff8000000000000", "80000000", "8000000000000000", "3fb999999999999a", "00000001"})
                decode(converter, Map.of(), hex(hex));
        }
    }

    static boolean fits(Schema schema, Object value) {
        return switch (schema.type()) {
            case BOOLEAN -> value instanceof Boolean || value instanceof String;
            case INT8 -> value instanceof Byte;
            case INT16 -> value instanceof Short || value instanceof Integer;
            case INT32 -> value instanceof Integer || value instanceof Long || value instanceof Short;
            case INT64 -> value instanceof Long || value instanceof Integer;
            case FLOAT32 -> value instanceof Float || value instanceof Double;
            case FLOAT64 -> value instanceof Double || value instanceof Float;
            case STRING -> value instanceof String;
            case BYTES -> value instanceof byte[] || value instanceof ByteBuffer || value instanceof String;
            default -> false;
        };
    }

    /** Whether a schema has the converter's own type. */
    static boolean fits(Converter converter, Schema schema) {
        String type = schema.type().getName();
        String name = converter.getClass().getSimpleName();
        return name.startsWith(switch (type) {
            case "boolean" -> "Boolean";
            case "int16" -> "Short";
            case "int32" -> "Integer";
            case "int64" -> "Long";
            case "float32" -> "Float";
            case "float64" -> "Double";
            case "bytes" -> "ByteArray";
            default -> "-";
        });
    }

    static final List<Map<String, String>> JSON_CONFIGS = List.of(
        Map.of("schemas.enable", "true"), Map.of("schemas.enable", "false"));

    static Map<String, String> with(Map<String, String> config, String key, String value) {
        Map<String, String> copy = new LinkedHashMap<>(config);
        copy.put(key, value);
        return copy;
    }

    static void jsonEncode() throws Exception {
        for (SchemaAndValue sv : typed()) {
            for (Map<String, String> config : JSON_CONFIGS) {
                encode(new JsonConverter(), config, sv);
                if (mentions(sv, "decimal"))
                    encode(new JsonConverter(), with(config, "decimal.format", "NUMERIC"), sv);
                if (mentions(sv, "\"default\""))
                    encode(new JsonConverter(), with(config, "replace.null.with.default", "false"), sv);
            }
        }
        for (String config : new String[] {"decimal.format=wrong", "schemas.enable=perhaps", "schemas.cache.size=x", "schemas.cache.size=0", "decimal.format=numeric"}) {
            String[] parts = config.split("=");
            encode(new JsonConverter(), Map.of(parts[0], parts[1]), new SchemaAndValue(Schema.INT32_SCHEMA, 1));
        }
    }

    static boolean mentions(SchemaAndValue sv, String text) {
        return describe(sv.schema()).contains(text) || describe(sv.value()).contains(text) || describe(sv.schema()).contains("Decimal") && text.equals("decimal");
    }

    static final String[] JSON_TEXTS = {
        "null", "true", "false", "0", "-0", "1", "-1", "01", "+1", "1.", ".5", "-", "1.0", "1.50", "-0.0", "1e3", "1E3", "1e-3", "1E+3", "1e400", "-1e400", "1e-400",
        "127", "128", "2147483647", "2147483648", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809",
        "123456789012345678901234567890", "0.1", "0.30000000000000004", "1.7976931348623157e308", "3.141592653589793238462643383279", "100000000000000000000.5",
        "\"\"", "\"a\"", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\u00e9\"", "\"\\u0000\"", "\"\\ud83d\\ude00\"", "\"\\ud800\"", "\"\\udc00x\"", "\"\\ud800\\u0041\"", "\"\\uD83D\"",
        "\"\\x\"", "\"\\u12\"", "\"a\nb\"", "\"a\tb\"", "\"\u0001\"", "\"\u007f\"", "\"open", "'a'", "abc", "nul", "nulls", "True", "NaN", "Infinity", "-Infinity", "undefined",
        "[]", "[1,2,3]", "[1,]", "[,1]", "[1 2]", "[", "]", "[[[]]]", "[null,true,\"a\",1.5,{}]", "[1,\"a\"]",
        "{}", "{\"a\":1}", "{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}", "{\"a\":1,\"a\":2}", "{\"a\":1,}", "{a:1}", "{\"a\"}", "{\"a\":}", "{", "{\"a\":{\"b\":{\"c\":null}}}", "{\"\":1}", "{\"\\u00e9\":1}",
        "{\"z\":1,\"y\":2,\"x\":3,\"w\":4,\"v\":5,\"u\":6,\"t\":7,\"s\":8,\"r\":9,\"q\":10,\"p\":11,\"o\":12,\"n\":13}",
        "{\"schema\":null,\"payload\":1}", "{\"payload\":1,\"schema\":null}", "{\"schema\":null}", "{\"payload\":1}", "{\"schema\":null,\"payload\":1,\"x\":2}", "{\"schema\":null,\"payload\":null}",
        "{\"schema\":{},\"payload\":1}", "{\"schema\":\"int32\",\"payload\":1}", "{\"schema\":1,\"payload\":1}", "{\"schema\":[],\"payload\":1}",
        "", " ", "\n", " 1 ", "\t{ } ", "1 2", "{} {}", "{}x", "[] ]", "1,2", "null null", "\ufeff1", "// c\n1", "/* c */ 1", "1 // c", "#1",
    };

    static String envelope(String schema, String payload) {
        return "{\"schema\":" + schema + ",\"payload\":" + payload + "}";
    }

    static void jsonDecode() throws Exception {
        for (Map<String, String> config : JSON_CONFIGS) {
            decode(new JsonConverter(), config, null);
            for (String text : JSON_TEXTS)
                decode(new JsonConverter(), config, text.getBytes(StandardCharsets.UTF_8));
            for (String hex : new String[] {"ff", "22ff22", "22c322", "22eda08022", "22c08022", "7b22", "00", "fffe", "feff0031", "31003200", "22f09f988022", "2280", "00000031"})
                decode(new JsonConverter(), config, hex(hex));
            for (int depth : new int[] {10, 40, 999, 1000, 1001}) {
                decode(new JsonConverter(), config, ("[".repeat(depth) + "]".repeat(depth)).getBytes(StandardCharsets.UTF_8));
            }
        }
        String[] types = {"boolean", "int8", "int16", "int32", "int64", "float", "double", "string", "bytes"};
        String[] payloads = {
            "null", "true", "1", "-1", "127", "128", "32768", "2147483648", "9223372036854775808", "1.5", "1e3", "\"a\"", "\"1\"", "\"AQI=\"", "\"AQI\"", "\"%\"", "\"\"", "[]", "[1]", "{}", "1e400", "-0.0", "0.1",
        };
        for (String type : types)
            for (String payload : payloads) {
                decodeText(envelope("{\"type\":\"" + type + "\",\"optional\":false}", payload));
                if (payload.equals("null") || payload.equals("1"))
                    decodeText(envelope("{\"type\":\"" + type + "\",\"optional\":true}", payload));
            }
        String dec = "{\"type\":\"bytes\",\"name\":\"org.apache.kafka.connect.data.Decimal\",\"version\":1,\"parameters\":{\"scale\":\"2\"},\"optional\":false}";
        for (String payload : new String[] {"\"AJw=\"", "\"\"", "\"Zg==\"", "1.56", "1.5", "156", "1.567", "-1.560", "1E2", "\"1.5\"", "null", "true", "{}"})
            decodeText(envelope(dec, payload));
        for (String name : new String[] {"Timestamp", "Date", "Time", "Decimal"})
            for (String type : new String[] {"int64", "int32", "bytes", "string"})
                for (String payload : new String[] {"0", "1700000000123", "19675", "86400000", "-1", "\"x\"", "null", "1.5"})
                    if (!(name.equals("Decimal") && !type.equals("bytes")) && !type.equals("string"))
                        decodeText(envelope("{\"type\":\"" + type + "\",\"name\":\"org.apache.kafka.connect.data." + name + "\",\"version\":1}", payload));
        String[] schemas = {
            "{\"type\":\"array\",\"items\":{\"type\":\"int32\"}}", "{\"type\":\"array\"}", "{\"type\":\"array\",\"items\":null}", "{\"type\":\"array\",\"items\":{\"type\":\"int32\",\"optional\":true},\"optional\":true,\"name\":\"n\"}",
            "{\"type\":\"map\",\"keys\":{\"type\":\"string\"},\"values\":{\"type\":\"int32\"}}", "{\"type\":\"map\",\"keys\":{\"type\":\"int32\"},\"values\":{\"type\":\"int32\",\"optional\":true}}", "{\"type\":\"map\",\"values\":{\"type\":\"int32\"}}", "{\"type\":\"map\",\"keys\":{\"type\":\"string\"}}",
            "{\"type\":\"map\",\"keys\":{\"type\":\"string\",\"optional\":true},\"values\":{\"type\":\"int32\"}}",
            "{\"type\":\"struct\",\"fields\":[{\"field\":\"a\",\"type\":\"int32\"},{\"field\":\"b\",\"type\":\"string\",\"optional\":true}]}", "{\"type\":\"struct\",\"fields\":[]}", "{\"type\":\"struct\"}", "{\"type\":\"struct\",\"fields\":{}}", "{\"type\":\"struct\",\"fields\":[{\"type\":\"int32\"}]}", "{\"type\":\"struct\",\"fields\":[{\"field\":\"a\"}]}", "{\"type\":\"struct\",\"fields\":[{\"field\":\"a\",\"type\":\"int32\"},{\"field\":\"a\",\"type\":\"int32\"}]}", "{\"type\":\"struct\",\"fields\":[{\"field\":1,\"type\":\"int32\"}]}", "{\"type\":\"struct\",\"fields\":[1]}",
            "{\"type\":\"struct\",\"name\":\"S\",\"optional\":true,\"fields\":[{\"field\":\"a\",\"type\":\"int32\",\"default\":5},{\"field\":\"b\",\"type\":\"string\",\"optional\":true,\"default\":\"x\"}]}",
            "{\"type\":\"nothing\"}", "{\"type\":1}", "{\"type\":null}", "{\"optional\":true}", "{\"type\":\"INT32\"}", "{\"type\":\"int32\",\"optional\":\"yes\"}", "{\"type\":\"int32\",\"optional\":null}", "{\"type\":\"int32\",\"name\":1}", "{\"type\":\"int32\",\"name\":null}", "{\"type\":\"int32\",\"version\":\"1\"}", "{\"type\":\"int32\",\"version\":1.5}", "{\"type\":\"int32\",\"version\":3000000000}", "{\"type\":\"int32\",\"doc\":1}", "{\"type\":\"int32\",\"doc\":\"d\",\"name\":\"n\",\"version\":2,\"parameters\":{\"a\":\"1\",\"b\":\"2\"}}", "{\"type\":\"int32\",\"parameters\":{\"a\":1}}", "{\"type\":\"int32\",\"parameters\":[]}", "{\"type\":\"int32\",\"parameters\":{}}", "{\"type\":\"int32\",\"default\":\"x\"}", "{\"type\":\"int32\",\"default\":7}", "{\"type\":\"int32\",\"default\":7,\"optional\":true}", "{\"type\":\"int32\",\"default\":null}", "{\"type\":\"int32\",\"unknown\":1}", "{\"type\":\"float\",\"default\":1e10}", "{\"type\":\"bytes\",\"default\":\"AQI=\"}",
        };
        String[] shapes = {"null", "1", "[]", "[1,2]", "[1,null]", "[\"a\"]", "{}", "{\"a\":1}", "{\"a\":null}", "{\"a\":1,\"b\":\"x\",\"c\":2}", "{\"a\":\"x\"}", "{\"b\":null}", "[[1,2]]", "[[1,2],[3,null]]", "[[1]]", "[1]"};
        for (String schema : schemas)
            for (String shape : schema.contains("array") || schema.contains("map") || schema.contains("struct") ? shapes : new String[] {"null", "1"})
                decodeText(envelope(schema, shape));
        for (String schema : new String[] {"{\"type\":\"int32\",\"default\":7,\"optional\":true}", "{\"type\":\"struct\",\"fields\":[{\"field\":\"a\",\"type\":\"int32\",\"default\":5,\"optional\":true}]}"})
            for (String payload : new String[] {"null", "{}", "{\"a\":null}", "1"})
                decode(new JsonConverter(), Map.of("schemas.enable", "true", "replace.null.with.default", "false"), envelope(schema, payload).getBytes(StandardCharsets.UTF_8));
        String content = "{\"type\":\"struct\",\"fields\":[{\"field\":\"a\",\"type\":\"int32\"},{\"field\":\"d\",\"type\":\"int64\",\"optional\":true,\"name\":\"org.apache.kafka.connect.data.Timestamp\",\"version\":1}]}";
        for (String text : new String[] {"{\"a\":1}", "{\"a\":1,\"d\":5}", "{}", "null", "1", "{\"schema\":null,\"payload\":{\"a\":1}}", "{\"schema\":{\"type\":\"int32\"},\"payload\":1}", "[]", "x", ""})
            for (String enable : new String[] {"true", "false"})
                decode(new JsonConverter(), Map.of("schemas.enable", enable, "schema.content", content), text.getBytes(StandardCharsets.UTF_8));
        for (String bad : new String[] {"", "x", "{}", "null", "{\"type\":\"int32\"} x", "{\"type\":\"nothing\"}"})
            decode(new JsonConverter(), Map.of("schema.content", bad), "1".getBytes(StandardCharsets.UTF_8));
    }

    static void decodeText(String text) throws Exception {
        decode(new JsonConverter(), Map.of("schemas.enable", "true"), text.getBytes(StandardCharsets.UTF_8));
    }

    /** Random records there and back, and their texts with a random byte changed. */
    static void jsonRandom() throws Exception {
        Random random = new Random(seed);
        for (int i = 0; i < count; i++) {
            Schema schema = randomSchema(random, 3);
            SchemaAndValue sv = new SchemaAndValue(schema, randomValue(random, schema, false));
            for (Map<String, String> config : JSON_CONFIGS) {
                Map<String, String> full = with(config, "decimal.format", random.nextBoolean() ? "NUMERIC" : "BASE64");
                if (random.nextInt(3) == 0)
                    full = with(full, "replace.null.with.default", String.valueOf(random.nextBoolean()));
                // Each reads what the other wrote, and with a schema of its own.
                if (random.nextInt(4) == 0)
                    full = with(full, "schema.content", new String(new JsonConverter() {{ configure(Map.of("schemas.enable", "true"), false); }}
                        .asJsonSchema(schema).toString().getBytes(StandardCharsets.UTF_8), StandardCharsets.UTF_8));
                byte[] bytes = encode(new JsonConverter(), full, sv);
                if (bytes == null)
                    continue;
                decode(new JsonConverter(), full, bytes);
                byte[] changed = bytes.clone();
                changed[random.nextInt(changed.length)] = (byte) (32 + random.nextInt(95));
                decode(new JsonConverter(), full, changed);
            }
        }
    }

    static Schema randomSchema(Random random, int depth) {
        SchemaBuilder builder = switch (random.nextInt(depth == 0 ? 13 : 17)) {
            case 0 -> SchemaBuilder.bool();
            case 1 -> SchemaBuilder.int8();
            case 2 -> SchemaBuilder.int16();
            case 3 -> SchemaBuilder.int32();
            case 4 -> SchemaBuilder.int64();
            case 5 -> SchemaBuilder.float32();
            case 6 -> SchemaBuilder.float64();
            case 7, 8 -> SchemaBuilder.string();
            case 9 -> SchemaBuilder.bytes();
            case 10 -> Decimal.builder(random.nextInt(5) - 1);
            case 11 -> Timestamp.builder();
            case 12 -> org.apache.kafka.connect.data.Date.builder();
            case 13 -> SchemaBuilder.array(randomSchema(random, depth - 1));
            case 14 -> SchemaBuilder.map(random.nextInt(3) > 0 ? Schema.STRING_SCHEMA : randomSchema(random, 0), randomSchema(random, depth - 1));
            default -> {
                SchemaBuilder made = SchemaBuilder.struct();
                int fields = random.nextInt(5);
                for (int i = 0; i < fields; i++)
                    made.field("f" + i, randomSchema(random, depth - 1));
                yield made;
            }
        };
        if (random.nextBoolean())
            builder.optional();
        if (builder.name() == null && random.nextInt(4) == 0)
            builder.name("n" + random.nextInt(9)).version(random.nextInt(3) + 1);
        if (random.nextInt(8) == 0)
            builder.doc("doc");
        return builder.build();
    }

    static Object randomValue(Random random, Schema schema, boolean key) {
        if (schema.isOptional() && !key && random.nextInt(4) == 0)
            return null;
        if (Decimal.LOGICAL_NAME.equals(schema.name()))
            return new BigDecimal(new BigInteger(random.nextInt(90), random), Integer.parseInt(schema.parameters().get("scale")));
        if (Timestamp.LOGICAL_NAME.equals(schema.name()))
            return new Date(random.nextLong() % 4_000_000_000_000L);
        if (org.apache.kafka.connect.data.Date.LOGICAL_NAME.equals(schema.name()))
            return new Date(random.nextInt(40_000) * 86_400_000L);
        return switch (schema.type()) {
            case BOOLEAN -> random.nextBoolean();
            case INT8 -> (byte) random.nextInt();
            case INT16 -> (short) random.nextInt();
            case INT32 -> random.nextInt() >> random.nextInt(32);
            case INT64 -> random.nextLong() >> random.nextInt(64);
            case FLOAT32 -> Float.intBitsToFloat(random.nextInt());
            case FLOAT64 -> random.nextBoolean() ? Double.longBitsToDouble(random.nextLong()) : random.nextInt(100_000) / 100.0;
            case STRING -> randomText(random);
            case BYTES -> {
                byte[] bytes = new byte[random.nextInt(12)];
                random.nextBytes(bytes);
                yield bytes;
            }
            case ARRAY -> {
                List<Object> list = new ArrayList<>();
                for (int n = random.nextInt(4); n > 0; n--)
                    list.add(randomValue(random, schema.valueSchema(), false));
                yield list;
            }
            case MAP -> {
                Map<Object, Object> map = new LinkedHashMap<>();
                for (int n = random.nextInt(4); n > 0; n--)
                    map.put(randomValue(random, schema.keySchema(), true), randomValue(random, schema.valueSchema(), false));
                yield map;
            }
            case STRUCT -> {
                Struct struct = new Struct(schema);
                for (Field field : schema.fields())
                    struct.put(field, randomValue(random, field.schema(), false));
                yield struct;
            }
        };
    }

    static String randomText(Random random) {
        StringBuilder text = new StringBuilder();
        for (int n = random.nextInt(8); n > 0; n--)
            text.appendCodePoint(switch (random.nextInt(6)) {
                case 0 -> random.nextInt(0x20);
                case 1 -> 0xa0 + random.nextInt(0x300);
                case 2 -> 0x4e00 + random.nextInt(0x100);
                case 3 -> 0x1f600 + random.nextInt(0x40);
                default -> 0x20 + random.nextInt(0x5f);
            });
        return text.toString();
    }

    static final String[] HEADER_TEXTS = {
        "", " ", "a", "hello world", "null", "NULL", " null ", "true", "TRUE", "True", "false", " true ", "truex", "yes",
        "0", "1", "-1", "+1", "127", "128", "-128", "-129", "32767", "32768", "-32769", "2147483647", "2147483648", "9223372036854775807", "9223372036854775808", "-9223372036854775809", "123456789012345678901234567890", "007", "0x10", "1_000", "1L", "1d", "1f",
        "1.0", "1.5", "0.1", "-0.0", "1.", ".5", "-.5", "1e3", "1E10", "1e-3", "1e400", "1e-400", "3.4028235e38", "3.5e38", "3.14159265358979", "1.7976931348623157e308", "1.8e308", "NaN", "Infinity", "-Infinity", "0.30000000000000004", "16777217.5",
        "2019-08-23", "2019-13-01", "2019-08-23T14:34:54Z", "2019-08-23T14:34:54.346Z", "2019-08-23T14:34:54.346+0200", "2019-08-23T14:34:54.346", "14:34:54.346Z", "14:34:54Z", "14:34:54.346", "14:34", "99:99:99.999Z", "-2019-08-23", "12019-08-23", "2019-8-2", "2019-08-23 14:34:54", "1970-01-01T00:00:00.000Z", "1969-12-31T23:59:59.999Z", "0001-01-01",
        "\"\"", "\"a\"", "\"a", "a\"", "\"a\\\"b\"", "\"a\\\\b\"", "a\\\"b", "\"1\"", "\"null\"", "\"true\"", "\" a \"", "\\", "\"\\", "'a'", "\"a\" \"b\"",
        "[]", "[ ]", "[1]", "[1,2,3]", "[1, 2, 300]", "[1,128,40000]", "[1,2.5]", "[1,\"a\"]", "[\"a\",\"b\"]", "[a,b]", "[a]", "[true,false]", "[null]", "[null,1]", "[1,null]", "[1,]", "[,1]", "[,]", "[1", "1]", "[[1],[2]]", "[[1],[\"a\"]]", "[[]]", "[{}]", "[1 2]", "[1,,2]", "[\"a,b\",\"]\"]", "[2019-08-23]", "[2019-08-23T14:34:54.346Z]", "[14:34:54.346Z,\"x\"]", "[1.5,2]", "[ \"a\" , \"b\" ]", "[\"a\" \"b\"]", "[[1,2],[300]]", "[true,1]", "[\"\"]",
        "{}", "{ }", "{\"a\":1}", "{\"a\":1,\"b\":2}", "{\"a\":1,\"b\":\"x\"}", "{a:1}", "{1:2}", "{1:2,300:4}", "{\"a\":null}", "{null:1}", "{\"a\":[1,2]}", "{\"a\":{\"b\":1}}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{,}", "{\"a\":1", "\"a\":1}", "{\"a\":1}x", "x{\"a\":1}", "{\"a\" : 1 , \"b\" : 2}", "{\"a\":1 \"b\":2}", "{:1}", "{\"a\":true,\"b\":false}", "{\"a\":1.5,\"b\":1}", "{true:1}", "{\"a\":2019-08-23}", "{\"a:b\":\"c,d\"}", "{\"a\":1,\"a\":2}", "{\"a\":[1,\"b\"],\"c\":[]}",
        ",", ":", "a,b", "a:b", "http://x:80/a?b=c", "a[1]", "a{1}", "1,2", "1:2", "1 2", "\u00e9", "\ud83d\ude00", "line\nbreak", "\t1\t", "1\n", "true,false", "\u0000", "-", "+", "--1", "1-1", "2019", "12:34:56", "0.0.0.0", "1.2.3", "#", "$", "%s", "[a b c]", "{a b: c d}",
        "[\"a\\\"b\"]", "[\\\"a\\\"]", "\u00a01", "\uff11", "1\u0660", "[1;2]", "(1)", "<a/>", "a=b",
    };

    static void headers() throws Exception {
        HeaderConverter simple = new SimpleHeaderConverter();
        decodeHeader(simple, Map.of(), null);
        for (String text : HEADER_TEXTS)
            decodeHeader(simple, Map.of(), text.getBytes(StandardCharsets.UTF_8));
        for (byte[] bytes : byteStrings())
            decodeHeader(simple, Map.of(), bytes);
        Random random = new Random(SEED);
        String alphabet = "[]{},:\"\\ 1a.-tn\n";
        for (int i = 0; i < 500; i++) {
            StringBuilder text = new StringBuilder();
            for (int n = 1 + random.nextInt(9); n > 0; n--)
                text.append(alphabet.charAt(random.nextInt(alphabet.length())));
            decodeHeader(simple, Map.of(), text.toString().getBytes(StandardCharsets.UTF_8));
        }
        for (SchemaAndValue sv : typed())
            encodeHeader(simple, Map.of(), sv);
        for (Object value : new Object[] {List.of("a\"b", "c,d"), List.of("a\\b"), map("k\"", "v\\"), List.of(List.of(1), map("a", "b")), List.of(new byte[] {1}), Arrays.asList("x", null), map("d", new Date(0)), List.of(1e10, 0.1f)})
            encodeHeader(simple, Map.of(), new SchemaAndValue(null, value));
        HeaderConverter json = new JsonConverter();
        HeaderConverter text = new StringConverter();
        for (SchemaAndValue sv : List.of(new SchemaAndValue(Schema.INT32_SCHEMA, 1), new SchemaAndValue(null, "a"), new SchemaAndValue(null, null), new SchemaAndValue(Schema.STRING_SCHEMA, "b"))) {
            encodeHeader(json, Map.of(), sv);
            encodeHeader(json, Map.of("schemas.enable", "false"), sv);
            encodeHeader(text, Map.of(), sv);
        }
        for (String s : new String[] {"1", "\"a\"", "{\"schema\":null,\"payload\":1}", "", "x"}) {
            decodeHeader(json, Map.of(), s.getBytes(StandardCharsets.UTF_8));
            decodeHeader(json, Map.of("schemas.enable", "false"), s.getBytes(StandardCharsets.UTF_8));
            decodeHeader(text, Map.of(), s.getBytes(StandardCharsets.UTF_8));
        }
    }

    /** Random values as headers, and random texts that look like them. */
    static void headersRandom() throws Exception {
        Random random = new Random(seed);
        HeaderConverter simple = new SimpleHeaderConverter();
        String[] parts = {"[", "]", "{", "}", ",", ":", "\"", "\\", " ", "1", "-", "2.5", "1e3", "true", "false", "null", "a", "2020-01-02", "10:11:12.123Z", "2020-01-02T10:11:12.123Z", "T", ".", "99999999999", "0x1", "NaN", "\u00e9", "\\n"};
        for (int i = 0; i < count * 8; i++) {
            Schema schema = randomSchema(random, 2);
            encodeHeader(simple, Map.of(), new SchemaAndValue(random.nextInt(4) == 0 ? null : schema, randomValue(random, schema, false)));
            StringBuilder text = new StringBuilder();
            for (int n = 1 + random.nextInt(8); n > 0; n--)
                text.append(parts[random.nextInt(parts.length)]);
            decodeHeader(simple, Map.of(), text.toString().getBytes(StandardCharsets.UTF_8));
        }
    }

    // ---- running a converter ---------------------------------------------------------------------------------

    static final String TOPIC = "topic";

    static byte[] encode(Converter converter, Map<String, String> config, SchemaAndValue in) throws Exception {
        String start = line(converter, config, "encode", pair(in.schema(), in.value()));
        try {
            converter.configure(config, false);
            byte[] bytes = converter.fromConnectData(TOPIC, in.schema(), in.value());
            write(start + ",\"out\":" + bytes(bytes) + "}");
            return bytes;
        } catch (Exception e) {
            write(start + ",\"error\":" + error(e) + "}");
            return null;
        }
    }

    static void decode(Converter converter, Map<String, String> config, byte[] in) throws Exception {
        String start = line(converter, config, "decode", bytes(in));
        try {
            converter.configure(config, false);
            SchemaAndValue sv = converter.toConnectData(TOPIC, in);
            write(start + ",\"out\":" + pair(sv.schema(), sv.value()) + "}");
        } catch (Exception e) {
            write(start + ",\"error\":" + error(e) + "}");
        }
    }

    static void encodeHeader(HeaderConverter converter, Map<String, String> config, SchemaAndValue in) throws Exception {
        String start = line(converter, config, "encode_header", pair(in.schema(), in.value()));
        try {
            converter.configure(header(config));
            write(start + ",\"out\":" + bytes(converter.fromConnectHeader(TOPIC, "h", in.schema(), in.value())) + "}");
        } catch (Exception e) {
            write(start + ",\"error\":" + error(e) + "}");
        }
    }

    static void decodeHeader(HeaderConverter converter, Map<String, String> config, byte[] in) throws Exception {
        String start = line(converter, config, "decode_header", bytes(in));
        try {
            converter.configure(header(config));
            SchemaAndValue sv = converter.toConnectHeader(TOPIC, "h", in);
            write(start + ",\"out\":" + pair(sv.schema(), sv.value()) + "}");
        } catch (Exception e) {
            write(start + ",\"error\":" + error(e) + "}");
        }
    }

    static Map<String, String> header(Map<String, String> config) {
        return with(config, "converter.type", "header");
    }

    static void write(String raw) throws Exception {
        // An array's identity is part of its toString.
        String line = raw.replaceAll("\\[B@[0-9a-f]+", "[B@{{hash}}");
        if (written.add(line)) {
            out.write(line);
            out.write('\n');
        }
    }

    // ---- descriptions -----------------------------------------------------------------------------------------

    static String line(Object converter, Map<String, String> config, String op, String in) {
        return "{\"converter\":" + quote(converter.getClass().getName()) + ",\"config\":" + texts(config) + ",\"op\":\"" + op + "\",\"in\":" + in;
    }

    static String bytes(byte[] bytes) {
        if (bytes == null)
            return "null";
        try {
            String text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
            return "{\"text\":" + quote(text) + "}";
        } catch (CharacterCodingException e) {
            return "{\"base64\":\"" + Base64.getEncoder().encodeToString(bytes) + "\"}";
        }
    }

    static String error(Throwable error) {
        String text = "{\"class\":" + quote(error.getClass().getName()) + ",\"message\":" + (error.getMessage() == null ? "null" : string(error.getMessage()));
        if (error.getCause() != null && error.getCause() != error)
            text += ",\"cause\":" + error(error.getCause());
        return text + "}";
    }

    static byte[] hex(String hex) {
        byte[] bytes = new byte[hex.length() / 2];
        for (int i = 0; i < bytes.length; i++)
            bytes[i] = (byte) Integer.parseInt(hex.substring(2 * i, 2 * i + 2), 16);
        return bytes;
    }

    static Map<Object, Object> map(Object... parts) {
        Map<Object, Object> map = new LinkedHashMap<>();
        for (int i = 0; i < parts.length; i += 2)
            map.put(parts[i], parts[i + 1]);
        return map;
    }

    static void add(List<SchemaAndValue> all, Schema schema, Object value) {
        all.add(new SchemaAndValue(schema, value));
    }
}
