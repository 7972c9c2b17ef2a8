// Licensed under the Apache License, Version 2.0.
//
// Applies chains of the real transforms and predicates to records:
//
//   javac -cp 'KAFKA_JARS/*' -d CLASSES parity/java/*.java
//   java -cp 'CLASSES:KAFKA_JARS/*:DEBEZIUM_JARS/*' Transforms < REQUESTS > ANSWERS
//
// Each line of the input is a JSON object and is answered by a line:
//   {"config": the connector's config, of which transforms and predicates count,
//    "kind": "source" or "sink",
//    "records": [{"topic", "partition", "timestamp", "kafka_offset" (sink), "key", "value", "headers": [{"key", "value"}]}]}
// What is absent is null; the first topic is "topic", kafka_offset counts from 0. A key, value or header's value is one of
//   {"schema": ..., "payload": ...}   as JsonConverter reads it with schemas.enable=true
//   {"typed": {"schema", "value"}}    in the form that Description.java explains
//   anything else                     as JsonConverter reads it with schemas.enable=false; null has no schema
// The answer is {"unreadable": [...]} when Connect itself refuses to hold such a record, {"error": [...]} when the chain
// cannot be made, else {"results": [...]} with one of these for each record:
//   {"dropped": true}
//   {"error": [{"class", "message"}, ...]}   the exception and its causes, without the runtime's own around them
//   {"topic", "partition", "timestamp", "key", "value", "headers"}, where a value is {"schema", "value", "json"}: described as
//   in Description.java, and what JsonConverter writes (or {"error": ...}); null is no schema and no value

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TimeZone;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;

import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.connect.connector.ConnectRecord;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.header.ConnectHeaders;
import org.apache.kafka.connect.header.Header;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.runtime.ConnectMetrics;
import org.apache.kafka.connect.runtime.ConnectorConfig;
import org.apache.kafka.connect.runtime.TransformationChain;
import org.apache.kafka.connect.runtime.TransformationStage;
import org.apache.kafka.connect.runtime.WorkerConfig;
import org.apache.kafka.connect.runtime.errors.ErrorHandlingMetrics;
import org.apache.kafka.connect.runtime.errors.ProcessingContext;
import org.apache.kafka.connect.runtime.errors.RetryWithToleranceOperator;
import org.apache.kafka.connect.runtime.errors.ToleranceType;
import org.apache.kafka.connect.runtime.isolation.Plugins;
import org.apache.kafka.connect.runtime.standalone.StandaloneConfig;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.source.SourceRecord;
import org.apache.kafka.connect.util.ConnectorTaskId;

public class Transforms extends Description {
    static final ObjectMapper MAPPER = new ObjectMapper();
    static final ConnectorTaskId TASK = new ConnectorTaskId("parity", 0);
    static Plugins plugins;
    static ConnectMetrics metrics;
    static final JsonConverter WITH_SCHEMAS = converter(true);
    static final JsonConverter PLAIN = converter(false);

    public static void main(String[] args) throws Exception {
        TimeZone.setDefault(TimeZone.getTimeZone("UTC"));
        // What transforms print themselves must not get between the answers.
        PrintStream answers = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        System.setOut(System.err);
        Map<String, String> worker = new HashMap<>();
        worker.put("bootstrap.servers", "localhost:1");
        worker.put("key.converter", "org.apache.kafka.connect.json.JsonConverter");
        worker.put("value.converter", "org.apache.kafka.connect.json.JsonConverter");
        worker.put("offset.storage.file.filename", "/dev/null");
        worker.put("plugin.discovery", "service_load");
        plugins = new Plugins(worker);
        // As the worker does while it makes a connector's plugins: short names of classes are found by this loader.
        Thread.currentThread().setContextClassLoader(plugins.delegatingLoader());
        WorkerConfig config = new StandaloneConfig(worker);
        metrics = new ConnectMetrics("parity", config, Time.SYSTEM, "parity");
        BufferedReader requests = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = requests.readLine(); line != null; line = requests.readLine()) {
            if (line.isBlank())
                continue;
            try {
                answers.println(answer(MAPPER.readTree(line)));
            } catch (Throwable e) {
                answers.println("{\"unreadable\":" + chainOf(e) + "}");
            }
            answers.flush();
        }
        System.exit(0);
    }

    static String answer(JsonNode request) {
        boolean sink = request.path("kind").asText("source").equals("sink");
        return sink ? answer(request, Transforms::sinkRecord) : answer(request, Transforms::sourceRecord);
    }

    interface Maker<R> {
        R make(JsonNode record, int index);
    }

    static <R extends ConnectRecord<R>> String answer(JsonNode request, Maker<R> maker) {
        Map<String, String> config = new LinkedHashMap<>();
        config.put("name", "parity");
        config.put("connector.class", "org.apache.kafka.connect.tools.VerifiableSourceConnector");
        request.path("config").fields().forEachRemaining(e -> config.put(e.getKey(), e.getValue().isNull() ? null : e.getValue().asText()));
        TransformationChain<R, R> chain;
        try {
            ErrorHandlingMetrics errors = new ErrorHandlingMetrics(TASK, metrics);
            RetryWithToleranceOperator<R> operator = new RetryWithToleranceOperator<>(0, 0, ToleranceType.NONE, Time.SYSTEM, errors);
            ConnectorConfig connector = new ConnectorConfig(plugins, config);
            List<TransformationStage<R>> stages = connector.transformationStages(plugins, TASK, metrics);
            chain = new TransformationChain<>(stages, operator);
        } catch (Throwable e) {
            return "{\"error\":" + chainOf(e) + "}";
        }
        List<String> results = new ArrayList<>();
        for (JsonNode record : request.path("records"))
            results.add(result(chain, maker.make(record, results.size())));
        chain.close();
        return "{\"results\":[" + String.join(",", results) + "]}";
    }

    static <R extends ConnectRecord<R>> String result(TransformationChain<R, R> chain, R record) {
        try {
            R result = chain.apply(new ProcessingContext<>(record), record);
            return result == null ? "{\"dropped\":true}" : show(result);
        } catch (Throwable e) {
            boolean wrapped = e.getCause() != null && e.getMessage().endsWith(" in error handler");
            return "{\"error\":" + chainOf(wrapped ? e.getCause() : e) + "}";
        }
    }

    // ---- records ---------------------------------------------------------------------------------------------

    static SourceRecord sourceRecord(JsonNode record, int index) {
        SchemaAndValue key = read(record.get("key"));
        SchemaAndValue value = read(record.get("value"));
        return new SourceRecord(Map.of(), Map.of(), topic(record), integer(record.get("partition")), key.schema(), key.value(),
            value.schema(), value.value(), number(record.get("timestamp")), headers(record));
    }

    static SinkRecord sinkRecord(JsonNode record, int index) {
        SchemaAndValue key = read(record.get("key"));
        SchemaAndValue value = read(record.get("value"));
        Integer partition = integer(record.get("partition"));
        return new SinkRecord(topic(record), partition == null ? 0 : partition, key.schema(), key.value(), value.schema(), value.value(),
            record.path("kafka_offset").asLong(index), number(record.get("timestamp")), TimestampType.CREATE_TIME, headers(record));
    }

    static String topic(JsonNode record) {
        return record.path("topic").asText("topic");
    }

    static ConnectHeaders headers(JsonNode record) {
        ConnectHeaders headers = new ConnectHeaders();
        for (JsonNode header : record.path("headers"))
            headers.add(header.get("key").asText(), read(header.get("value")));
        return headers;
    }

    static Integer integer(JsonNode node) {
        return node == null || node.isNull() ? null : node.asInt();
    }

    static Long number(JsonNode node) {
        return node == null || node.isNull() ? null : node.asLong();
    }

    static SchemaAndValue read(JsonNode node) {
        if (node == null || node.isNull())
            return SchemaAndValue.NULL;
        if (node.size() == 1 && node.has("typed"))
            return readPair(node.get("typed"));
        boolean envelope = node.size() == 2 && node.has("schema") && node.has("payload");
        return (envelope ? WITH_SCHEMAS : PLAIN).toConnectData("topic", node.toString().getBytes(StandardCharsets.UTF_8));
    }

    static JsonConverter converter(boolean schemas) {
        JsonConverter converter = new JsonConverter();
        converter.configure(Map.of("schemas.enable", String.valueOf(schemas), "replace.null.with.default", "false"), false);
        return converter;
    }

    // ---- answers ---------------------------------------------------------------------------------------------

    static String show(ConnectRecord<?> record) {
        List<String> headers = new ArrayList<>();
        for (Header header : record.headers())
            headers.add("{\"key\":" + quote(header.key()) + ",\"value\":" + show(header.schema(), header.value()) + "}");
        return "{\"topic\":" + (record.topic() == null ? "null" : quote(record.topic())) + ",\"partition\":" + record.kafkaPartition()
            + ",\"timestamp\":" + record.timestamp() + ",\"key\":" + show(record.keySchema(), record.key())
            + ",\"value\":" + show(record.valueSchema(), record.value()) + ",\"headers\":[" + String.join(",", headers) + "]}";
    }

    static String show(Schema schema, Object value) {
        if (schema == null && value == null)
            return "null";
        String described = pair(schema, value);
        return described.substring(0, described.length() - 1) + ",\"json\":" + json(schema, value) + "}";
    }

    static String json(Schema schema, Object value) {
        try {
            byte[] bytes = WITH_SCHEMAS.fromConnectData("topic", schema, value);
            return bytes == null ? "null" : quote(new String(bytes, StandardCharsets.UTF_8));
        } catch (Throwable e) {
            return "{\"error\":" + chainOf(e) + "}";
        }
    }

    static String chainOf(Throwable error) {
        List<String> chain = new ArrayList<>();
        for (Throwable e = error; e != null && chain.size() < 10; e = e.getCause())
            chain.add("{\"class\":" + quote(e.getClass().getName()) + ",\"message\":" + (e.getMessage() == null ? "null" : string(e.getMessage())) + "}");
        return "[" + String.join(",", chain) + "]";
    }
}
