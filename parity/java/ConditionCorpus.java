// Licensed under the Apache License, Version 2.0.
//
// Writes what Debezium's scripting engines make of conditions, one JSON object per line:
//
//   java -cp 'KAFKA_JARS/*:DEBEZIUM_SCRIPTING_JARS/*' parity/java/ConditionCorpus.java parity/recorded/conditions/conditions.jsonl
//
// First the records: {"record": {topic, key, value, headers: [{key, value}]}}, where a key, value or header's value with
// "schema" and "payload" is read by JsonConverter with schemas.enable=true, any other with schemas.enable=false.
// Then {language, condition} with results, one for each record:
//   null, true, false, {"text": ...}, {"other": class} or {"error": class, "message": of the innermost cause}
// JavaScript takes only records with structs. A condition that is none has "refused".

import java.io.BufferedWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;

import io.debezium.transforms.scripting.Engine;
import io.debezium.transforms.scripting.GraalJsEngine;
import io.debezium.transforms.scripting.Jsr223Engine;

import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.header.ConnectHeaders;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.source.SourceRecord;

public class ConditionCorpus {
    static final ObjectMapper MAPPER = new ObjectMapper();
    static final JsonConverter WITH_SCHEMAS = converter(true);
    static final JsonConverter PLAIN = converter(false);
    static BufferedWriter out;

    static final String ROW = "{'type':'struct','optional':true,'name':'s.orders.Value','field':'%s','fields':[{'type':'int64','field':'id'},{'type':'int32','optional':true,'field':'n'},{'type':'string','optional':true,'field':'name'},"
        + "{'type':'double','optional':true,'field':'score'},{'type':'boolean','optional':true,'field':'active'},{'type':'array','optional':true,'items':{'type':'string'},'field':'tags'},{'type':'int16','optional':true,'field':'small'},"
        + "{'type':'string','optional':true,'default':'none','field':'note'},{'type':'bytes','optional':true,'name':'org.apache.kafka.connect.data.Decimal','parameters':{'scale':'2'},'field':'price'},{'type':'string','optional':true,'field':'my-field'},"
        + "{'type':'map','optional':true,'keys':{'type':'string'},'values':{'type':'int32'},'field':'counts'}]}";
    static final String ENVELOPE = "{'type':'struct','name':'s.orders.Envelope','version':1,'fields':[" + String.format(ROW, "before") + "," + String.format(ROW, "after")
        + ",{'type':'struct','name':'io.debezium.connector.postgresql.Source','field':'source','fields':[{'type':'string','field':'table'},{'type':'string','optional':true,'field':'schema'},{'type':'int64','field':'ts_ms'},{'type':'string','optional':true,'field':'snapshot'}]},{'type':'string','field':'op'},{'type':'int64','optional':true,'field':'ts_ms'}]}";
    static final String KEY = "{'schema':{'type':'struct','name':'s.orders.Key','fields':[{'type':'int64','field':'id'}]},'payload':{'id':%d}}";
    static final String OLD = "{'id':2,'n':7,'name':'old','score':1.5,'active':false,'tags':['a'],'small':3,'note':null,'price':'AOs=','my-field':'x','counts':{'a':1}}";
    static final String NEW = "{'id':2,'n':-7,'name':'New Name','score':2.25,'active':true,'tags':['a','b'],'small':5,'note':'urgent','price':'A+g=','my-field':'','counts':{'a':1,'b':2}}";
    static final String EMPTY = "{'id':65,'n':null,'name':null,'score':null,'active':null,'tags':null,'small':null,'note':null,'price':null,'my-field':null,'counts':null}";

    static String event(String op, String before, String after) {
        return "{'topic':'server1.public.orders','key':" + String.format(KEY, 2) + ",'value':{'schema':" + ENVELOPE + ",'payload':{'before':" + before + ",'after':" + after
            + ",'source':{'table':'orders','schema':'public','ts_ms':1700000000123,'snapshot':null},'op':'" + op + "','ts_ms':null}},'headers':[{'key':'idh','value':{'schema':{'type':'int32'},'payload':1}},{'key':'kind','value':{'schema':{'type':'string'},'payload':'bulk'}},{'key':'kind','value':{'schema':{'type':'string'},'payload':'last'}}]}";
    }

    static final String[] RECORDS = {event("u", OLD, NEW), event("c", "null", EMPTY), event("d", OLD, "null"),
        "{'topic':'plain','key':'k','value':{'op':'c','id':5,'name':'x','after':{'id':5,'ratio':0.5,'list':[1,2]},'class':'y','size':9},'headers':[]}", "{'topic':'text','key':null,'value':'hello','headers':[]}", "{'topic':'number','key':7,'value':42,'headers':[]}"};

    static final String[] GROOVY = {
        // what documentation and questions hold
        "value.op == 'u' && value.before.id == 2", "value.op == 'u'", "value.op != 'd'", "value.before == null", "value.after != null && value.after.id > 1", "value.after?.name == 'New Name'", "value.before?.name", "value.after?.name?.startsWith('New')",
        "value.op == 'u' ? 'updates' : null", "value.op == 'c' ? topic + '_created' : topic", "header.idh.value == 1", "header.kind.value == 'last'", "header['kind'].value", "header.missing", "header.missing?.value == null", "header.containsKey('idh')", "topic.matches('server1\\\\..*')", "topic =~ 'orders'", "topic ==~ /.*orders/", "topic.startsWith('server1')", "key.id == 2", "key?.id", "valueSchema.name", "valueSchema?.name()", "valueSchema.version", "keySchema.name()",
        "valueSchema.field('op') != null", "valueSchema.field('nope') == null", "value.source.table in ['orders', 'items']", "['c', 'u'].contains(value.op)", "value.op in ['c','u','r']", "!(value.op in ['d'])", "value.op !in ['d']", "value.after.id in [2, 3]", "value.after.id in [2L, 3L]", "[2].contains(value.after.n)", "value.after.n in [-7]", "value.after.small in [5]",
        "value.after.id % 2 == 0", "value.after.id + 1", "value.after.n / 2", "value.after.n / 2 == -3.5", "value.after.id * 1.5", "value.after.score > 2", "value.after.score == 2.25", "value.after.price > 5", "value.after.price == 10.00", "value.after.price + 1", "value.after.active", "value.after.active == true", "!value.after.active", "value.after.tags.size()", "value.after.tags.contains('b')", "value.after.tags[0]", "value.after.tags[-1]", "value.after.tags[9]", "'a' in value.after.tags", "value.after.tags == ['a', 'b']", "value.after.counts.a", "value.after.counts['b'] == 2", "value.after.counts.zz", "value.after.counts.size()", "'a' in value.after.counts",
        "value['after']['id']", "value.get('op')", "value.getString('op')", "value.getStruct('after').getInt64('id')", "value.after.getInt32('id')", "value.getString('nope')", "value.nope", "value.after.nope", "value.after.note", "value.after.note == 'none'", "value.after.getWithoutDefault('note')", "value.after.'my-field'", "value.after['my-field'] == ''", "value.after.name ?: 'none'", "value.after?.name ?: value.before?.name ?: 'x'", "value.schema().name()", "value.after.name.toLowerCase()", "value.after.name.length() > 3", "value.after.name.size()", "value.after.name.toUpperCase() + '!'", "value.after.name.contains('ew')", "value.after.name.replace('e', 'E')", "value.after.name.replaceAll('[aeiou]', '<\\$0>')", "value.after.name.substring(2)", "value.after.name.substring(0, 3)", "value.after.name.substring(99)", "value.after.name[0]", "value.after.name.indexOf('N')", "value.after.name.trim().isEmpty()", "value.after.name.endsWith('Name') || value.op == 'c'", "value.after.name.equalsIgnoreCase('new name')", "value.after.name.equals('New Name')", "value.after.name =~ /^New/", "(value.after.name =~ /^New/) ? true : false", "value.after.name ==~ 'New.*'", "!(value.after.name =~ 'x')",
        // truth, equality and order
        "null", "true", "false", "!null", "!''", "!'a'", "!0", "!1", "![]", "![1]", "!0.0", "null == null", "null == false", "'' == false", "0 == false", "1 == 1L", "1 == 1.0", "1.0 == 1.00", "1 == 1.0f", "0.1 + 0.2 == 0.3", "0.1d + 0.2d == 0.3d", "'1' == 1", "1 == '1'", "'A' == 65", "65 == 'A'", "'a' == 'a'", "'a' == \"a\"", "[1, 2] == [1L, 2]", "[] == []", "'a' < 'b'", "'b' <= 'a'", "'B' < 'a'", "1 < 2.5", "2 > null", "null > 2", "null < 1", "null <= null", "'a' < 1", "1 < 'a'", "'abc' < 1", "true < false", "true > false", "1 <=> 2", "'b' <=> 'a'", "null <=> 1", "'a' && 1", "null || ''", "'x' || false", "true && null", "1 ?: 2", "0 ?: 2", "'' ?: 'e'", "null ?: null",
        "1 + 2", "1 + 2L", "2147483647 + 1", "9223372036854775807 + 1", "9223372036854775808", "1 - 2.5", "7 / 2", "6 / 3", "1 / 3", "10 / 4", "1 / 8", "2 / 3.0", "22 / 7.00", "1 / 0", "1 / 0.0", "1 / 0d", "7 % 3", "-7 % 3", "7 % 0", "7.5d % 2", "2 * 3", "2 * 0.5", "1.5f + 1", "1.5d", "1.5", "100", "1e3", "1_000", "-5", "-(2 + 3)", "+4", "- value.after.n", "'a' + 1", "1 + 'a'", "'a' + null", "null + 'a'", "'a' + true", "true + 'a'", "'a' + 1.50", "'a' + 1.0d", "'a' + 1e20d", "'a' + [1, 'b']", "null + 1", "1 + null", "null - 1", "1 - null", "true + 1", "'a' + 'b' == 'ab'",
        "\"${value.op}-x\"", "\"${topic}\" == topic", "\"a$topic\"", "\"${value.op}\".toString()", "'${x}'", "\"plain\"", "'it\\'s'", "\"tab\\t\"", "'\\u0041'", "/a\\/b/", "/a.b/ == 'a.b'", "'a.b' ==~ /a\\.b/", "'ab' ==~ /a/", "'ab' =~ /a/", "'a' in 'a'", "'a' in 'abc'", "1 in [1L]", "1 in [1, 2]", "null in [null]", "null in []", "1 in 1", "'a' in null", "null in null", "2 in [1: 2]",
        // null
        "value.before.name", "value.before.name == 'old'", "value.before.name.startsWith('o')", "value.before?.name.startsWith('o')", "value.after.name.startsWith('N')", "value.after.n + 1", "value.after.n > 0", "value.after.active && true", "value.after.name == null", "value.after.tags?.size()", "value?.after?.id", "value.size", "value.class", "value.ts_ms", "value.length()", "value + 1", "value == 'hello'", "value > 40", "value in [42]", "value in [42L]", "value.toString()", "value.after.id.toString()", "value.after.id.intValue()", "value.after.score.toInteger()", "'12'.toInteger() + 1", "'x'.toInteger()", "'12'.toLong()", "'1.5'.toDouble()", "'12'.isNumber()", "'1x'.isNumber()", "value.after.id.startsWith('2')", "value.op.nope()", "value.op.empty", "[1, 2].first()", "[].first()", "[1, 2].last()", "[3, 4].get(1)", "[3].get(5)", "['a', 'b'].indexOf('b')", "'abc'.compareTo('abd')", "'ab'.concat('c')", "'abc'.lastIndexOf('c')", "' x '.trim()", "' '.isBlank()", "value.after.equals(value.after)", "value.before == value.after", "value.after == value.after", "null.equals(null)", "null.toString()", "1.equals(1L)", "1 == value.after.small", "value.after.small + 1", "value.after.id.toBigDecimal()",
        "return value.op == 'u'", "value.op == 'u';", "(value.op == 'u')", "value.op == 'u' // comment", "value.op == /* c */ 'u'", "value.op\n == 'u'", "value.op == 'u' &&\n value.after.id == 2", "value.op == 'u'\n|| value.op == 'c'", "(value.op == 'u' || value.op == 'c') && value.source.table == 'orders'", "value.op == 'c' || value.op == 'u' && value.after.id == 3", "value.op == 'u' ? value.after.id > 1 ? 'big' : 'small' : 'none'", "1 + 2 * 3", "(1 + 2) * 3", "10 - 2 - 3", "2 + 3 + 'a'", "'a' + 2 + 3", "1 < 2 == true", "!true == false", "1 == 1 && 2 == 2 || false", "'ab' =~ 'a' && true", "value.op == 'u' == true", "-value.after.n + 1", "!value.op.isEmpty()", "value.op.length() == 1 ? true : false", "1 <= 1 && 1 >= 1"};

    static final String[] JAVA_SCRIPT = {"value.op == 'u' && value.before.id == 2", "value.op === 'u'", "value.op !== 'u'", "value.before == null", "value.before === null", "value.op == 'u' ? 'updates' : null", "value.op === 'c' ? topic + '_created' : topic", "header.idh.value == 1", "header.kind.value", "topic.startsWith('server1')", "topic.includes('orders')", "/orders$/.test(topic)", "/ORDERS/i.test(topic)", "['c', 'u'].includes(value.op)", "['c', 'u'].indexOf(value.op) >= 0", "['c'].indexOf('x')", "value.source.table == 'orders'", "value.nope", "value.nope == null", "value.nope == 'x'", "value.before.name", "value.before?.name", "value.before?.name ?? 'none'", "value.after?.name", "value['op']", "value['after']?.['id'] == 2", "key.id == 2", "value.op.length", "value.op.length === 1", "value.op.toUpperCase()", "value.op.toUpperCase() + 1", "value.after?.id > 1", "value.source.ts_ms > 1600000000000", "value.op && true", "value.nope || 'x'", "value.op && 'y'", "!value.op", "!value.nope",
        "null", "true", "1 == '1'", "1 === '1'", "0 == ''", "0 == false", "null == false", "null == 0", "'a' < 'b'", "'10' < 9", "1 + 2", "1 + '2'", "'a' + 1.5", "'a' + 1.0", "'a' + null", "'a' + true", "7 / 2", "'x' + 7 / 2", "'x' + 6 / 3", "7 % 3", "'x' + -7 % 3", "'x' + 1 / 0", "'x' + 0.1 * 3", "'x' + 1e21", "'x' + 123456789012", "!''", "!0", "!'a'", "![]", "`a${topic}`", "`${value.op}` == 'u'", "'it\\'s'", "\"q\"", "' a '.trim()", "'abc'.substring(1)", "'abc'.substring(2, 0)", "'abc'.substring(1, 99)", "'abc'.indexOf('c') == 2", "'abc'.lastIndexOf('c') === 2", "'ab'.concat('c')", "'abc'.endsWith('c')", "value.op == 'u' || value.op == 'c'", "value.op == 'u' && !(value.before == null)", "valueSchema.name()", "value.op == 'u' // c", "(value.op === 'u')", "1 < 2 && 2 < 3", "true ? 'a' : 'b'", "null ?? 'd'", "'' ?? 'd'", "'' || 'd'", "'b' > 'a' ? topic : null", "value.after != null", "value.after !== null", "value.op.nope()", "value.nope.x", "value.op;"};

    public static void main(String[] args) throws Exception {
        Path file = Path.of(args[0]);
        Files.createDirectories(file.getParent());
        out = Files.newBufferedWriter(file);
        List<SourceRecord> records = new ArrayList<>();
        for (String text : RECORDS) {
            JsonNode record = MAPPER.readTree(text.replace("it's", "").replace('\'', '"'));
            out.write("{\"record\":" + record + "}\n");
            records.add(record(record));
        }
        for (String condition : GROOVY)
            write("groovy", condition, new Jsr223Engine(), records);
        for (String condition : JAVA_SCRIPT)
            write("graal.js", condition, new GraalJsEngine(), records);
        out.close();
    }

    static void write(String language, String condition, Engine engine, List<SourceRecord> records) throws Exception {
        String line = "{\"language\":\"" + language + "\",\"condition\":" + MAPPER.writeValueAsString(condition);
        try {
            engine.configure(language, condition);
        } catch (Throwable e) {
            out.write(line + ",\"refused\":true}\n");
            return;
        }
        List<String> results = new ArrayList<>();
        for (SourceRecord record : records)
            results.add(language.equals("groovy") || record.value() instanceof Struct ? result(engine, record) : "\"skipped\"");
        out.write(line + ",\"results\":[" + String.join(",", results) + "]}\n");
    }

    static String result(Engine engine, SourceRecord record) throws Exception {
        try {
            Object result = engine.eval(record, Object.class);
            if (result == null || result instanceof Boolean)
                return String.valueOf(result);
            if (result instanceof String)
                return "{\"text\":" + MAPPER.writeValueAsString(result) + "}";
            return "{\"other\":\"" + result.getClass().getName() + "\"" + (result instanceof Number ? ",\"shown\":\"" + result + "\"" : "") + "}";
        } catch (Throwable e) {
            Throwable cause = e;
            while (cause.getCause() != null)
                cause = cause.getCause();
            return "{\"error\":\"" + cause.getClass().getName() + "\",\"message\":" + MAPPER.writeValueAsString(cause.getMessage()) + "}";
        }
    }

    static SourceRecord record(JsonNode record) {
        SchemaAndValue key = read(record.get("key"));
        SchemaAndValue value = read(record.get("value"));
        ConnectHeaders headers = new ConnectHeaders();
        for (JsonNode header : record.path("headers"))
            headers.add(header.get("key").asText(), read(header.get("value")));
        return new SourceRecord(Map.of(), Map.of(), record.get("topic").asText(), null, key.schema(), key.value(), value.schema(), value.value(), null, headers);
    }

    static SchemaAndValue read(JsonNode node) {
        if (node.isNull())
            return SchemaAndValue.NULL;
        boolean envelope = node.has("schema") && node.has("payload");
        return (envelope ? WITH_SCHEMAS : PLAIN).toConnectData("topic", node.toString().getBytes(StandardCharsets.UTF_8));
    }

    static JsonConverter converter(boolean schemas) {
        JsonConverter converter = new JsonConverter();
        converter.configure(Map.of("schemas.enable", String.valueOf(schemas), "replace.null.with.default", "false"), false);
        return converter;
    }
}
