package peer;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.AppInfoParser;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/**
 * The workload on Kafka Streams, over a broker: one stream thread, stores with changelogs, at least once.
 *
 * <p>Usage: EVENTS WAYS BATCH RATE OUTPUT BROKER BROKER_PID FOLDER. The application runs twice, only the second time counts;
 * the processor time of the broker counts too.
 */
public final class Streams {
    private static Event[] events;
    private static String broker;
    private static String folder;
    private static volatile boolean ended;

    private Streams() {}

    public static void main(String[] arguments) throws Exception {
        events = Event.read(arguments[0]);
        Ways.load(arguments[1]);
        int batch = Integer.parseInt(arguments[2]);
        broker = arguments[5];
        String brokerPid = arguments[6];
        folder = arguments[7];
        double began = Measure.sinceStart();
        String output = arguments[4];
        double start = run("warm", new Measure(events, batch, 0), output, began, brokerPid);
        run("run", new Measure(events, batch, Double.parseDouble(arguments[3])), output, start, brokerPid);
        System.out.flush();
        System.exit(0);
    }

    /** Runs all. Seconds until the application reads, if it is the first time. */
    private static double run(String name, Measure measure, String output, double began, String brokerPid) throws Exception {
        ended = false;
        String application = "peers-" + name + "-" + ProcessHandle.current().pid();
        String input = application + "-events";
        String results = application + "-results";
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", broker))) {
            admin.createTopics(List.of(topic(input), topic(results))).all().get();
        }
        Views views = new Views();
        Thread reader = new Thread(() -> read(results, views, measure), "views");
        long heap = Measure.heap();
        long resident = Measure.resident();
        reader.start();
        KafkaStreams streams = new KafkaStreams(topology(input, results), settings(application));
        try (KafkaProducer<Integer, Event> producer = producer()) {
            start(streams);
            double start = Measure.sinceStart() - began;
            double brokerBefore = processor(brokerPid);
            measure.feed((from, until) -> {
                for (int index = from; index < until; index++) {
                    producer.send(new ProducerRecord<>(input, 0, events[index].at, events[index].place, events[index]));
                }
                producer.send(mark(input, events[until - 1].at));
            });
            double ofBroker = processor(brokerPid) - brokerBefore;
            producer.send(mark(input, measure.end()));
            measure.awaitVisible(measure.end());
            long bytes = Measure.heap() - heap + Math.max(0, Measure.resident() - resident) + onDisk();
            views.write(output, measure.end());
            if (name.equals("run")) {
                measure.alsoUsed(ofBroker);
                measure.print(began, bytes, AppInfoParser.getVersion());
            }
            ended = true;
            reader.join();
            streams.close(Duration.ofSeconds(20));
            streams.cleanUp();
            return start;
        }
    }

    /** The times of the workload are of long ago: the broker would take its records for old ones. */
    private static NewTopic topic(String name) {
        return new NewTopic(name, 1, (short) 1).configs(Map.of("retention.ms", "-1"));
    }

    private static void start(KafkaStreams streams) throws InterruptedException {
        streams.start();
        while (streams.state() != KafkaStreams.State.RUNNING) {
            if (streams.state().hasCompletedShutdown()) {
                throw new IllegalStateException("Kafka Streams does not start");
            }
            TimeUnit.MILLISECONDS.sleep(5);
        }
    }

    private static ProducerRecord<Integer, Event> mark(String topic, long at) {
        Event mark = new Event();
        mark.type = Processors.MARK;
        mark.at = at;
        return new ProducerRecord<>(topic, 0, at, 0, mark);
    }

    private static Topology topology(String input, String results) {
        Topology topology = new Topology();
        topology.addSource("events", Serdes.Integer().deserializer(), Codecs.EVENT.deserializer(), input);
        topology.addProcessor("episodes", Processors.Episodes::new, "events");
        topology.addProcessor("decide", Processors.Decide::new, "events", "episodes");
        topology.addProcessor("incidents", Processors.Incidents::new, "events", "decide");
        topology.addSink("results", results, Serdes.Long().serializer(), Codecs.RESULT.serializer(), "incidents");
        topology.addStateStore(store("series", Serdes.Integer(), Codecs.SERIES).withCachingEnabled(), "episodes");
        topology.addStateStore(store("closing", Serdes.Bytes(), Serdes.Integer()), "episodes");
        topology.addStateStore(store("latest", Serdes.Long(), Codecs.HAPPENED).withCachingEnabled(), "episodes");
        topology.addStateStore(store("episodes", Serdes.Bytes(), Codecs.HAPPENED), "episodes", "decide");
        topology.addStateStore(store("expiring", Serdes.Bytes(), Codecs.HAPPENED), "episodes");
        topology.addStateStore(store("edges", Serdes.Bytes(), Codecs.END), "decide");
        topology.addStateStore(store("waiting", Serdes.Bytes(), Codecs.HAPPENED), "decide");
        topology.addStateStore(store("group-of", Serdes.Long(), Serdes.Long()).withCachingEnabled(), "incidents");
        topology.addStateStore(store("groups", Serdes.Long(), Codecs.GROUP).withCachingEnabled(), "incidents");
        topology.addStateStore(store("leaving", Serdes.Bytes(), Serdes.Long()), "incidents");
        return topology;
    }

    private static <K, V> StoreBuilder<KeyValueStore<K, V>> store(String name, Serde<K> key, Serde<V> value) {
        return Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(name), key, value);
    }

    private static Properties settings(String application) {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, application);
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, broker);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, folder);
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
        settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 64 << 20);
        settings.put(StreamsConfig.consumerPrefix("auto.offset.reset"), "earliest");
        // Its own is 100 ms: results would wait for that.
        settings.put(StreamsConfig.producerPrefix("linger.ms"), 1);
        settings.put(StreamsConfig.producerPrefix("batch.size"), 256 << 10);
        return settings;
    }

    private static KafkaProducer<Integer, Event> producer() {
        Map<String, Object> settings = Map.of("bootstrap.servers", broker, "linger.ms", 1, "batch.size", 256 << 10);
        return new KafkaProducer<>(settings, Serdes.Integer().serializer(), Codecs.EVENT.serializer());
    }

    private static void read(String topic, Views views, Measure measure) {
        Map<String, Object> settings = Map.of("bootstrap.servers", broker);
        try (KafkaConsumer<Long, Result> consumer =
                 new KafkaConsumer<>(settings, Serdes.Long().deserializer(), Codecs.RESULT.deserializer())) {
            TopicPartition only = new TopicPartition(topic, 0);
            consumer.assign(List.of(only));
            consumer.seekToBeginning(List.of(only));
            while (!ended) {
                for (ConsumerRecord<Long, Result> record : consumer.poll(Duration.ofMillis(50))) {
                    Result result = record.value();
                    if (result.id == Processors.PROGRESS) {
                        measure.visible(result.startedAt);
                    } else {
                        views.take(result);
                    }
                }
            }
        }
    }

    private static long onDisk() throws Exception {
        try (Stream<Path> files = Files.walk(Path.of(folder))) {
            return files.filter(file -> file.toString().endsWith(".sst")).mapToLong(file -> file.toFile().length()).sum();
        }
    }

    /** Processor seconds of another process so far. */
    private static double processor(String pid) throws Exception {
        String stat = Files.readString(Path.of("/proc", pid, "stat"), StandardCharsets.UTF_8);
        String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ");
        return (Long.parseLong(fields[11]) + Long.parseLong(fields[12])) / 100.0;
    }
}
