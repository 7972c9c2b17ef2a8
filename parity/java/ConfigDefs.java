// Licensed under the Apache License, Version 2.0.
//
// Writes the configuration definitions of the real workers, connectors and clients' override targets as JSON:
//
//   java -cp 'KAFKA_JARS/*' parity/java/ConfigDefs.java parity/recorded/configdefs
//
// One file per definition: an array of keys in the order of their declaration, with what the REST API shows of a key,
// and also the validator's text and whether the key is internal.

import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

import com.fasterxml.jackson.databind.ObjectMapper;

import org.apache.kafka.clients.admin.AdminClientConfig;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.connect.runtime.distributed.Crypto;

public class ConfigDefs {
    public static void main(String[] args) throws Exception {
        Path folder = Path.of(args[0]);
        Files.createDirectories(folder);
        String runtime = "org.apache.kafka.connect.runtime.";
        Method distributed = Class.forName(runtime + "distributed.DistributedConfig").getDeclaredMethod("config", Crypto.class);
        distributed.setAccessible(true);
        write(folder, "worker-distributed", (ConfigDef) distributed.invoke(null, Crypto.SYSTEM));
        write(folder, "worker-standalone", of(runtime + "standalone.StandaloneConfig"));
        write(folder, "connector-source", of(runtime + "SourceConnectorConfig"));
        write(folder, "connector-sink", of(runtime + "SinkConnectorConfig"));
        write(folder, "client-producer", ProducerConfig.configDef());
        write(folder, "client-consumer", ConsumerConfig.configDef());
        write(folder, "client-admin", AdminClientConfig.configDef());
    }

    /** The definition that a class keeps in a static field or gives from a static method. */
    static ConfigDef of(String name) throws Exception {
        Class<?> type = Class.forName(name);
        try {
            return (ConfigDef) type.getDeclaredMethod("configDef").invoke(null);
        } catch (NoSuchMethodException e) {
            Field field = type.getDeclaredField("CONFIG");
            field.setAccessible(true);
            return (ConfigDef) field.get(null);
        }
    }

    static void write(Path folder, String name, ConfigDef def) throws Exception {
        List<Map<String, Object>> keys = new ArrayList<>();
        for (ConfigDef.ConfigKey key : def.configKeys().values()) {
            Map<String, Object> entry = new LinkedHashMap<>();
            entry.put("name", key.name);
            entry.put("type", key.type.name());
            entry.put("required", !key.hasDefault());
            entry.put("default_value", key.hasDefault() ? ConfigDef.convertToString(key.defaultValue, key.type) : null);
            entry.put("validator", key.validator == null ? null : key.validator.toString().replaceAll("@[0-9a-f]+$", ""));
            entry.put("importance", key.importance.name());
            entry.put("documentation", key.documentation);
            entry.put("group", key.group);
            entry.put("order_in_group", key.orderInGroup);
            entry.put("width", key.width.name());
            entry.put("display_name", key.displayName);
            entry.put("dependents", key.dependents);
            entry.put("internal", key.internalConfig);
            keys.add(entry);
        }
        String text = new ObjectMapper().writerWithDefaultPrettyPrinter().writeValueAsString(keys);
        Files.writeString(folder.resolve(name + ".json"), text + "\n");
    }
}
