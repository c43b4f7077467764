package peer;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.Stream;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.runtime.util.EnvironmentInformation;
import org.apache.flink.streaming.api.datastream.BroadcastStream;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.source.legacy.SourceFunction;
import org.apache.flink.streaming.api.watermark.Watermark;

/**
 * The workload on Flink: a local cluster of one slot, keyed streams, edges as broadcast state, event-time timers.
 *
 * <p>Usage: EVENTS WAYS BATCH RATE OUTPUT heap|rocksdb FOLDER. The job runs twice; only the second time counts.
 */
@SuppressWarnings("deprecation") // The source that is told when to emit, and when to stay, is the old one.
public final class Flink {
    private static Event[] events;
    private static volatile Measure measure;
    private static volatile Views views;
    private static double start = -1;
    private static long bytes;
    private static long heapBefore;
    private static long residentBefore;
    private static Path folder;
    private static String output;

    private Flink() {}

    public static void main(String[] arguments) throws Exception {
        events = Event.read(arguments[0]);
        Ways.load(arguments[1]);
        int batch = Integer.parseInt(arguments[2]);
        output = arguments[4];
        folder = Path.of(arguments[6]);
        String backend = arguments[5];
        // The first time warms up; it also says how long it takes until the job runs.
        double began = Measure.sinceStart();
        execute(backend, new Measure(events, batch, 0), began);
        execute(backend, new Measure(events, batch, Double.parseDouble(arguments[3])), began);
        measure.print(start, bytes, EnvironmentInformation.getVersion() + " " + backend);
        System.out.flush();
        System.exit(0);
    }

    private static void execute(String backend, Measure run, double began) throws Exception {
        measure = run;
        views = new Views();
        Configuration configuration = new Configuration();
        configuration.setString("state.backend.type", backend.equals("heap") ? "hashmap" : "rocksdb");
        configuration.setString("state.backend.rocksdb.localdir", folder.toString());
        configuration.setString("pipeline.object-reuse", "true");
        configuration.setString("pipeline.generic-types", "false");
        configuration.setString("taskmanager.memory.managed.size", "512m");
        configuration.setString("execution.buffer-timeout.interval", "1 ms");
        StreamExecutionEnvironment env = StreamExecutionEnvironment.createLocalEnvironment(1, configuration);
        build(env, began);
        env.execute("peers");
    }

    private static void build(StreamExecutionEnvironment env, double began) {
        DataStream<Event> all = env.addSource(new Feed(began), "events", Types.POJO(Event.class));
        DataStream<Happened> errors = all.filter(event -> event.type == Event.SAMPLE)
            .keyBy(event -> event.place)
            .process(new Operators.Baselines());
        DataStream<Happened> signals = all.filter(event -> event.type == Event.SIGNAL)
            .map(event -> Happened.of(event.place, event.kind, event.at, event.at, event.at))
            .returns(Happened.class);
        SingleOutputStreamOperator<Happened> episodes =
            signals.union(errors).keyBy(happened -> happened.place).process(new Operators.Episodes());
        MapStateDescriptor<Long, Map<Integer, Operators.End>> edges = Operators.EDGES;
        BroadcastStream<Event> relations = all.filter(event -> event.type == Event.EDGE).broadcast(edges);
        SingleOutputStreamOperator<Operators.Lookup> lookups = episodes.getSideOutput(Operators.EFFECTS)
            .keyBy(effect -> effect.place)
            .connect(relations)
            .process(new Operators.Walks());
        DataStream<Decision> candidates = episodes.keyBy(happened -> happened.place)
            .connect(lookups.keyBy(lookup -> lookup.place))
            .process(new Operators.Causes());
        candidates.union(lookups.getSideOutput(Operators.MARKERS))
            .keyBy(decision -> decision.effect.onset)
            .process(new Operators.Best())
            .keyBy(decision -> 0)
            .process(new Operators.Incidents())
            .sinkTo(new ToViews());
    }

    /** Emits events with a watermark after every batch, and stays until all is measured. */
    private static final class Feed implements SourceFunction<Event> {
        private final double began;

        Feed(double began) {
            this.began = began;
        }

        @Override
        public void run(SourceContext<Event> context) throws Exception {
            if (start < 0) {
                start = Measure.sinceStart() - began;
                heapBefore = Measure.heap();
            }
            residentBefore = Measure.resident();
            measure.feed((from, until) -> {
                synchronized (context.getCheckpointLock()) {
                    for (int index = from; index < until; index++) {
                        context.collectWithTimestamp(events[index], events[index].at);
                    }
                    context.emitWatermark(new Watermark(events[until - 1].at));
                }
            });
            context.emitWatermark(new Watermark(measure.end()));
            measure.awaitVisible(measure.end());
            bytes = Measure.heap() - heapBefore + Math.max(0, Measure.resident() - residentBefore) + onDisk();
            views.write(output, measure.end());
        }

        @Override
        public void cancel() {}
    }

    private static long onDisk() throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            // Logs of the store are no state.
            return files.filter(file -> file.toString().endsWith(".sst")).mapToLong(file -> file.toFile().length()).sum();
        }
    }

    private static final class ToViews implements Sink<Result> {
        @Override
        public SinkWriter<Result> createWriter(WriterInitContext context) {
            return new SinkWriter<>() {
                private long expired;

                @Override
                public void write(Result result, Context at) {
                    views.take(result);
                }

                @Override
                public void writeWatermark(org.apache.flink.api.common.eventtime.Watermark watermark) {
                    long at = watermark.getTimestamp();
                    if (expired + 60_000 < at) {
                        expired = at;
                        views.expire(at - Ways.HORIZON_MS);
                    }
                    measure.visible(at);
                }

                @Override
                public void flush(boolean end) {}

                @Override
                public void close() {}
            };
        }
    }
}
