import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;

/** One transaction scenario per run against the broker in argv[0]; prints what a client sees, one fact a line. */
public class Transactions {
    static String boot;
    static final BufferedReader in = new BufferedReader(new InputStreamReader(System.in));

    public static void main(String[] args) throws Exception {
        boot = args[0];
        try (Admin admin = Admin.create(props())) {
            admin.createTopics(List.of(new NewTopic("t", 2, (short) 1))).all().get();
        } catch (java.util.concurrent.ExecutionException exists) {
            say("topic " + exists.getCause().getClass().getSimpleName());
        }
        switch (args[1]) {
            case "commit-abort" -> commitAbort();
            case "fencing" -> fencing();
            case "timeout" -> timeout();
            case "offsets" -> offsets();
            case "admin" -> admin();
            case "survive" -> survive();
            default -> throw new IllegalArgumentException(args[1]);
        }
        System.exit(0);
    }

    static void commitAbort() throws Exception {
        try (var p = producer("tx", 60_000)) {
            p.initTransactions();
            p.beginTransaction();
            send(p, 0, "a");
            send(p, 1, "b");
            p.flush();
            say("open " + read("read_committed", 2) + " " + read("read_uncommitted", 2));
            p.commitTransaction();
            say("committed " + read("read_committed", 2));
            p.beginTransaction();
            send(p, 0, "x");
            p.flush();
            p.abortTransaction();
            p.beginTransaction();
            send(p, 0, "c");
            p.commitTransaction();
            p.beginTransaction();
            p.commitTransaction();
            say("aborted " + read("read_committed", 2) + " " + read("read_uncommitted", 2));
        }
    }

    static void fencing() throws Exception {
        var first = producer("tx", 60_000);
        first.initTransactions();
        first.beginTransaction();
        send(first, 0, "zombie");
        first.flush();
        var second = producer("tx", 60_000);
        second.initTransactions();
        say("first " + outcome(() -> first.commitTransaction()));
        second.beginTransaction();
        send(second, 0, "alive");
        second.commitTransaction();
        say("read " + read("read_committed", 2));
    }

    static void timeout() throws Exception {
        var slow = producer("tx", 1_500);
        slow.initTransactions();
        slow.beginTransaction();
        send(slow, 0, "late");
        slow.flush();
        Thread.sleep(3_500);
        say("slow " + outcome(() -> slow.commitTransaction()));
        var next = producer("other", 60_000);
        next.initTransactions();
        next.beginTransaction();
        send(next, 0, "next");
        next.commitTransaction();
        say("read " + read("read_committed", 2));
    }

    static void offsets() throws Exception {
        var source = new TopicPartition("t", 0);
        try (var p = producer("tx", 60_000); var c = consumer("read_committed", "g"); Admin admin = Admin.create(props())) {
            p.initTransactions();
            c.subscribe(List.of("t"));
            while (c.assignment().isEmpty()) c.poll(Duration.ofMillis(100));
            p.beginTransaction();
            send(p, 1, "out");
            p.sendOffsetsToTransaction(Map.of(source, new OffsetAndMetadata(7, "m")), c.groupMetadata());
            say("open " + committed(admin, source, false) + " stable " + committed(admin, source, true));
            p.commitTransaction();
            say("committed " + committed(admin, source, false));
            p.beginTransaction();
            p.sendOffsetsToTransaction(Map.of(source, new OffsetAndMetadata(9)), c.groupMetadata());
            p.abortTransaction();
            say("aborted " + committed(admin, source, true));
            p.beginTransaction();
            @SuppressWarnings("removal")
            var stranger = new ConsumerGroupMetadata("g", 99, "nobody", Optional.empty());
            say("stranger " + outcome(() -> {
                p.sendOffsetsToTransaction(Map.of(source, new OffsetAndMetadata(11)), stranger);
                p.commitTransaction();
            }));
        }
    }

    static void admin() throws Exception {
        try (var p = producer("tx", 60_000); Admin admin = Admin.create(props())) {
            p.initTransactions();
            p.beginTransaction();
            send(p, 1, "x");
            p.flush();
            for (var listing : admin.listTransactions().all().get())
                say("listed " + listing.transactionalId() + " " + listing.state());
            var filter = new ListTransactionsOptions().filterStates(List.of(TransactionState.EMPTY));
            say("empty " + admin.listTransactions(filter).all().get().size());
            var described = admin.describeTransactions(List.of("tx")).description("tx").get();
            say("described " + described.state() + " " + described.topicPartitions() + " " + described.transactionTimeoutMs());
            say("unknown " + cause(() -> admin.describeTransactions(List.of("nope")).description("nope").get()));
            var producers = admin.describeProducers(List.of(new TopicPartition("t", 1)));
            var state = producers.partitionResult(new TopicPartition("t", 1)).get().activeProducers().get(0);
            say("producer " + (state.producerId() == described.producerId()) + " open from " + state.currentTransactionStartOffset().orElse(-1));
            admin.fenceProducers(List.of("tx")).all().get();
            say("fenced " + outcome(() -> p.commitTransaction()));
            say("read " + read("read_committed", 2));
        }
    }

    /** The broker is killed and started again between the lines read from stdin. */
    @SuppressWarnings("removal")
    static void survive() throws Exception {
        var source = new TopicPartition("t", 0);
        try (var p = producer("tx", 60_000); Admin admin = Admin.create(props())) {
            p.initTransactions();
            p.beginTransaction();
            send(p, 0, "a");
            p.sendOffsetsToTransaction(Map.of(source, new OffsetAndMetadata(5)), new ConsumerGroupMetadata("g"));
            p.flush();
            say("open");
            in.readLine();
            say("pending " + read("read_committed", 2) + " " + committed(admin, source, false));
            p.commitTransaction();
            say("committed " + read("read_committed", 2) + " " + committed(admin, source, true));
            in.readLine();
            say("kept " + read("read_committed", 2) + " " + committed(admin, source, true));
            p.beginTransaction();
            send(p, 1, "b");
            p.commitTransaction();
            say("goes on " + read("read_committed", 2));
        }
    }

    static String committed(Admin admin, TopicPartition partition, boolean stable) throws Exception {
        var options = new ListConsumerGroupOffsetsOptions().requireStable(stable).timeoutMs(1_500);
        try {
            var found = admin.listConsumerGroupOffsets("g", options).partitionsToOffsetAndMetadata().get().get(partition);
            return found == null ? "none" : String.valueOf(found.offset());
        } catch (java.util.concurrent.ExecutionException e) {
            return e.getCause().getClass().getSimpleName();
        }
    }

    interface Try { void run() throws Exception; }

    static String outcome(Try act) {
        try {
            act.run();
            return "ok";
        } catch (Exception e) {
            return e.getClass().getSimpleName();
        }
    }

    static String cause(Try act) {
        try {
            act.run();
            return "ok";
        } catch (Exception e) {
            return e.getCause().getClass().getSimpleName();
        }
    }

    static void send(Producer<String, String> p, int partition, String value) {
        p.send(new ProducerRecord<>("t", partition, null, value));
    }

    /** All values up to the end that this isolation level sees now, by partition. */
    static String read(String isolation, int partitions) {
        try (var c = consumer(isolation, null)) {
            var all = new TreeMap<Integer, List<String>>();
            var assigned = new ArrayList<TopicPartition>();
            for (int i = 0; i < partitions; i++) assigned.add(new TopicPartition("t", i));
            c.assign(assigned);
            c.seekToBeginning(assigned);
            var ends = c.endOffsets(assigned);
            for (int i = 0; i < 100 && !assigned.stream().allMatch(tp -> c.position(tp) >= ends.get(tp)); i++)
                for (var record : c.poll(Duration.ofMillis(100)))
                    all.computeIfAbsent(record.partition(), x -> new ArrayList<>()).add(record.value());
            return all.toString().replace(" ", "");
        }
    }

    static Properties props() {
        var props = new Properties();
        props.put("bootstrap.servers", boot);
        return props;
    }

    static Producer<String, String> producer(String id, int timeoutMs) {
        var props = props();
        props.put("transactional.id", id);
        props.put("transaction.timeout.ms", String.valueOf(timeoutMs));
        var text = new org.apache.kafka.common.serialization.StringSerializer();
        return new KafkaProducer<>(props, text, text);
    }

    static Consumer<String, String> consumer(String isolation, String group) {
        var props = props();
        props.put("isolation.level", isolation);
        props.put("auto.offset.reset", "earliest");
        props.put("enable.auto.commit", "false");
        if (group != null) props.put("group.id", group);
        var text = new org.apache.kafka.common.serialization.StringDeserializer();
        return new KafkaConsumer<>(props, text, text);
    }

    static void say(String line) {
        System.out.println(line);
    }
}
