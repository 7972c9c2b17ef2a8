// Licensed under the Apache License, Version 2.0.
//
// Writes the configuration definitions of the real workers, connectors, clients' override targets, transforms and predicates
// as JSON:
//
//   java -cp 'KAFKA_JARS/*:DEBEZIUM_JARS/*' parity/java/ConfigDefs.java parity/recorded/configdefs
//
// One file per definition: an array of keys in the order of their declaration, with what the REST API shows of a key,
// and also the validator's text and whether the key is internal. Those of transforms and predicates, Kafka's and
// Debezium's, are in one file, by class.

import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

import com.fasterxml.jackson.databind.ObjectMapper;

import org.apache.kafka.clients.admin.AdminClientConfig;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.connect.runtime.distributed.Crypto;
import org.apache.kafka.connect.runtime.isolation.PluginDesc;
import org.apache.kafka.connect.runtime.isolation.Plugins;
import org.apache.kafka.connect.transforms.Transformation;
import org.apache.kafka.connect.transforms.predicates.Predicate;

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
        writeTransforms(folder);
        // With Debezium's jars on the class path.
        write(folder, "connector-postgres", of("io.debezium.connector.postgresql.PostgresConnectorConfig"));
    }

    static void writeTransforms(Path folder) throws Exception {
        Plugins plugins = new Plugins(Map.of("plugin.discovery", "service_load"));
        Map<String, Object> classes = new TreeMap<>();
        for (PluginDesc<Transformation<?>> plugin : plugins.transformations())
            classes.put(plugin.className(), keys(plugin.pluginClass().getDeclaredConstructor().newInstance().config()));
        for (PluginDesc<Predicate<?>> plugin : plugins.predicates())
            classes.put(plugin.className(), keys(plugin.pluginClass().getDeclaredConstructor().newInstance().config()));
        write(folder, "transforms", classes);
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
        write(folder, name, keys(def));
    }

    static void write(Path folder, String name, Object content) throws Exception {
        String text = new ObjectMapper().writerWithDefaultPrettyPrinter().writeValueAsString(content);
        Files.writeString(folder.resolve(name + ".json"), text + "\n");
    }

    static List<Map<String, Object>> keys(ConfigDef def) {
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
        return keys;
    }
}
