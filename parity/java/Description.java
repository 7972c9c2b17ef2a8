// Licensed under the Apache License, Version 2.0.
//
// Schemas and values as JSON that says everything about them, to write and to read.
//
// A schema is null or {type, optional, name, version, doc, parameters, default, fields | keys + values | items}; absent
// means the default of that property.
// A value is null or an object with one entry named after its Java class: boolean, int8, int16, int32, int64 (numbers),
// float32, float64 (the text of Java's toString, which reads back exactly), string, utf16 (code units of a string that
// is not well-formed), bytes (base64), buffer (a ByteBuffer, base64), decimal {unscaled, scale}, bigint, date_ms,
// array [values], array_depth (a number, for [[[...]]] nested deeper than 40), map [[key, value]] in iteration order, struct [[field, value]].

import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Date;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

import com.fasterxml.jackson.databind.JsonNode;

import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;

public class Description {
    // ---- writing ---------------------------------------------------------------------------------------------

    static String pair(Schema schema, Object value) {
        int depth = 0;
        for (Object inner = value; inner instanceof List<?> list; inner = list.isEmpty() ? null : list.get(0))
            depth++;
        if (depth > 40)
            return "{\"schema\":" + describe(schema) + ",\"value\":" + entry("array_depth", String.valueOf(depth)) + "}";
        return "{\"schema\":" + describe(schema) + ",\"value\":" + describe(value) + "}";
    }

    static String describe(Schema schema) {
        if (schema == null)
            return "null";
        StringBuilder text = new StringBuilder("{\"type\":\"" + schema.type().getName() + "\"");
        if (schema.isOptional())
            text.append(",\"optional\":true");
        if (schema.name() != null)
            text.append(",\"name\":").append(quote(schema.name()));
        if (schema.version() != null)
            text.append(",\"version\":").append(schema.version());
        if (schema.doc() != null)
            text.append(",\"doc\":").append(quote(schema.doc()));
        if (schema.parameters() != null)
            text.append(",\"parameters\":").append(inOrder(schema.parameters()));
        if (schema.defaultValue() != null)
            text.append(",\"default\":").append(describe(schema.defaultValue()));
        if (schema.type() == Schema.Type.STRUCT) {
            List<String> fields = new ArrayList<>();
            for (Field field : schema.fields())
                fields.add("{\"name\":" + quote(field.name()) + ",\"schema\":" + describe(field.schema()) + "}");
            text.append(",\"fields\":[").append(String.join(",", fields)).append("]");
        } else if (schema.type() == Schema.Type.ARRAY) {
            text.append(",\"items\":").append(describe(schema.valueSchema()));
        } else if (schema.type() == Schema.Type.MAP) {
            text.append(",\"keys\":").append(describe(schema.keySchema())).append(",\"values\":").append(describe(schema.valueSchema()));
        }
        return text.append("}").toString();
    }

    static String describe(Object value) {
        if (value == null)
            return "null";
        if (value instanceof Boolean)
            return entry("boolean", value.toString());
        if (value instanceof Byte)
            return entry("int8", value.toString());
        if (value instanceof Short)
            return entry("int16", value.toString());
        if (value instanceof Integer)
            return entry("int32", value.toString());
        if (value instanceof Long)
            return entry("int64", value.toString());
        if (value instanceof Float)
            return entry("float32", quote(value.toString()));
        if (value instanceof Double)
            return entry("float64", quote(value.toString()));
        if (value instanceof String s)
            return wellFormed(s) ? entry("string", quote(s)) : entry("utf16", units(s));
        if (value instanceof byte[] b)
            return entry("bytes", quote(Base64.getEncoder().encodeToString(b)));
        if (value instanceof ByteBuffer b)
            return entry("buffer", quote(Base64.getEncoder().encodeToString(b.array())));
        if (value instanceof BigDecimal d)
            return entry("decimal", "{\"unscaled\":" + quote(d.unscaledValue().toString()) + ",\"scale\":" + d.scale() + "}");
        if (value instanceof BigInteger i)
            return entry("bigint", quote(i.toString()));
        if (value instanceof Date d)
            return entry("date_ms", String.valueOf(d.getTime()));
        List<String> parts = new ArrayList<>();
        if (value instanceof List<?> list) {
            for (Object item : list)
                parts.add(describe(item));
            return entry("array", "[" + String.join(",", parts) + "]");
        }
        if (value instanceof Map<?, ?> map) {
            for (Map.Entry<?, ?> e : map.entrySet())
                parts.add("[" + describe(e.getKey()) + "," + describe(e.getValue()) + "]");
            return entry("map", "[" + String.join(",", parts) + "]");
        }
        if (value instanceof Struct struct) {
            for (Field field : struct.schema().fields())
                parts.add("[" + quote(field.name()) + "," + describe(struct.getWithoutDefault(field.name())) + "]");
            return entry("struct", "[" + String.join(",", parts) + "]");
        }
        throw new IllegalArgumentException(value.getClass().getName());
    }

    static String entry(String name, String value) {
        return "{\"" + name + "\":" + value + "}";
    }

    static boolean wellFormed(String text) {
        return StandardCharsets.UTF_16.newEncoder().canEncode(text);
    }

    static String units(String text) {
        List<String> units = new ArrayList<>();
        for (char c : text.toCharArray())
            units.add(String.valueOf((int) c));
        return "[" + String.join(",", units) + "]";
    }

    /** A message, of which what is not well-formed is replaced: no reader could take it. */
    static String string(String text) {
        return quote(new String(text.getBytes(StandardCharsets.UTF_8), StandardCharsets.UTF_8));
    }

    static String quote(String text) {
        StringBuilder quoted = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            if (c == '"' || c == '\\')
                quoted.append('\\').append(c);
            else if (c < 0x20 || c == 0x7f || c == 0x2028 || c == 0x2029)
                quoted.append(String.format("\\u%04x", (int) c));
            else
                quoted.append(c);
        }
        return quoted.append('"').toString();
    }

    static String texts(Map<String, String> map) {
        return inOrder(new TreeMap<>(map));
    }

    static String inOrder(Map<String, String> map) {
        List<String> entries = new ArrayList<>();
        for (Map.Entry<String, String> e : map.entrySet())
            entries.add(quote(e.getKey()) + ":" + quote(e.getValue()));
        return "{" + String.join(",", entries) + "}";
    }

    // ---- reading ---------------------------------------------------------------------------------------------

    static SchemaAndValue readPair(JsonNode node) {
        Schema schema = readSchema(node.get("schema"));
        return new SchemaAndValue(schema, readValue(node.get("value"), schema));
    }

    static Schema readSchema(JsonNode node) {
        if (node == null || node.isNull())
            return null;
        Schema.Type type = Schema.Type.valueOf(node.get("type").asText().toUpperCase());
        SchemaBuilder builder = switch (type) {
            case ARRAY -> SchemaBuilder.array(readSchema(node.get("items")));
            case MAP -> SchemaBuilder.map(readSchema(node.get("keys")), readSchema(node.get("values")));
            default -> SchemaBuilder.type(type);
        };
        if (node.path("optional").asBoolean())
            builder.optional();
        if (node.has("name"))
            builder.name(node.get("name").asText());
        if (node.has("version"))
            builder.version(node.get("version").asInt());
        if (node.has("doc"))
            builder.doc(node.get("doc").asText());
        if (node.has("parameters"))
            node.get("parameters").fields().forEachRemaining(e -> builder.parameter(e.getKey(), e.getValue().asText()));
        if (node.has("fields"))
            for (JsonNode field : node.get("fields"))
                builder.field(field.get("name").asText(), readSchema(field.get("schema")));
        if (node.has("default"))
            // The default of a struct has to be of the finished schema, which does not exist yet: one without a default serves.
            builder.defaultValue(readValue(node.get("default"), builder));
        return builder.build();
    }

    static Object readValue(JsonNode node, Schema schema) {
        if (node == null || node.isNull())
            return null;
        String kind = node.fieldNames().next();
        JsonNode in = node.get(kind);
        Schema items = schema != null && (schema.type() == Schema.Type.ARRAY || schema.type() == Schema.Type.MAP) ? schema.valueSchema() : null;
        Schema keys = schema != null && schema.type() == Schema.Type.MAP ? schema.keySchema() : null;
        switch (kind) {
            case "boolean": return in.asBoolean();
            case "int8": return (byte) in.asInt();
            case "int16": return (short) in.asInt();
            case "int32": return in.asInt();
            case "int64": return in.asLong();
            case "float32": return Float.parseFloat(in.asText());
            case "float64": return Double.parseDouble(in.asText());
            case "string": return in.asText();
            case "bytes": return Base64.getDecoder().decode(in.asText());
            case "buffer": return ByteBuffer.wrap(Base64.getDecoder().decode(in.asText()));
            case "decimal": return new BigDecimal(new BigInteger(in.get("unscaled").asText()), in.get("scale").asInt());
            case "date_ms": return new Date(in.asLong());
            case "array": {
                List<Object> list = new ArrayList<>();
                for (JsonNode item : in)
                    list.add(readValue(item, items));
                return list;
            }
            case "map": {
                Map<Object, Object> map = new LinkedHashMap<>();
                for (JsonNode pair : in)
                    map.put(readValue(pair.get(0), keys), readValue(pair.get(1), items));
                return map;
            }
            case "struct": {
                Struct struct = new Struct(schema);
                for (JsonNode pair : in)
                    // Null is no value at all, which a required field may lack until someone looks.
                    if (!pair.get(1).isNull())
                        struct.put(pair.get(0).asText(), readValue(pair.get(1), schema.field(pair.get(0).asText()).schema()));
                return struct;
            }
            default: throw new IllegalArgumentException(kind);
        }
    }
}
