package peer;

import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.LongConsumer;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;

/**
 * The processors, in the order in which events pass them. All that concerns a tenant is in one partition, so that
 * nothing is sent through the broker between them. What is due waits in stores ordered by time, which are looked at with
 * every second of stream time, and with every mark: it passes all of them, and whatever came before it has then been dealt with.
 */
final class Processors {
    /** An event that says only what time it is. */
    static final int MARK = 3;
    /** Number of the result that says up to when everything is visible. */
    static final long PROGRESS = -1;

    private Processors() {}

    static Bytes key(long first, long second) {
        return Bytes.wrap(ByteBuffer.allocate(16).putLong(first).putLong(second).array());
    }

    static long place(int place, int within) {
        return (long) place << 3 | within;
    }

    /** Calls with every second of stream time, at least. */
    private static void schedule(ProcessorContext<?, ?> context, LongConsumer act) {
        context.schedule(Duration.ofSeconds(1), PunctuationType.STREAM_TIME, act::accept);
    }

    /** What waits for its time, in a store ordered by it. */
    private static final class Due<V> {
        private final KeyValueStore<Bytes, V> store;
        /** All before it was taken out: what the store has deleted is not walked over again. */
        private long passed;

        Due(KeyValueStore<Bytes, V> store) {
            this.store = store;
        }

        void put(long at, long within, V value) {
            store.put(key(at, within), value);
        }

        /** Takes out whatever is due. */
        List<V> take(long now) {
            List<KeyValue<Bytes, V>> found = new ArrayList<>();
            try (KeyValueIterator<Bytes, V> entries = store.range(key(passed, 0), key(now, Long.MAX_VALUE))) {
                entries.forEachRemaining(found::add);
            }
            passed = now;
            List<V> values = new ArrayList<>();
            for (KeyValue<Bytes, V> entry : found) {
                store.delete(entry.key);
                values.add(entry.value);
            }
            return values;
        }
    }

    /** Samples to anomalies; what happened to a place to episodes, of which beginnings go on as effects. */
    static final class Episodes implements Processor<Integer, Event, Integer, Happened> {
        private ProcessorContext<Integer, Happened> context;
        private KeyValueStore<Integer, Series> series;
        private Due<Integer> closing;
        private KeyValueStore<Long, Happened> latest;
        private KeyValueStore<Bytes, Happened> episodes;
        private Due<Happened> expiring;

        @Override
        public void init(ProcessorContext<Integer, Happened> context) {
            this.context = context;
            series = context.getStateStore("series");
            closing = new Due<>(context.getStateStore("closing"));
            latest = context.getStateStore("latest");
            episodes = context.getStateStore("episodes");
            expiring = new Due<>(context.getStateStore("expiring"));
            schedule(context, this::pass);
        }

        @Override
        public void process(Record<Integer, Event> record) {
            Event event = record.value();
            if (event.type == Event.SIGNAL) {
                see(Happened.of(event.place, event.kind, event.at, event.at, event.at), event.at);
            } else if (event.type == Event.SAMPLE) {
                sample(event);
            } else if (event.type == MARK) {
                pass(event.at);
            }
        }

        private void sample(Event sample) {
            Series known = series.get(sample.place);
            if (known == null) {
                known = new Series();
            }
            boolean begins = known.begins(sample.at);
            if (begins && known.close()) {
                see(known.anomaly(sample.place, known.last), sample.at);
            }
            if (known.add(sample.at, sample.value)) {
                see(known.anomaly(sample.place, sample.at), sample.at);
            }
            if (begins) {
                closing.put(known.closes(), sample.place, sample.place);
            }
            series.put(sample.place, known);
        }

        private void pass(long now) {
            for (int place : closing.take(now)) {
                Series known = series.get(place);
                if (known.closes() <= now) {
                    if (known.close()) {
                        see(known.anomaly(place, known.last), now);
                    }
                    series.put(place, known);
                }
            }
            for (Happened episode : expiring.take(now)) {
                episodes.delete(key(place(episode.place, episode.kind), episode.onset));
                Happened last = latest.get(place(episode.place, episode.kind));
                if (last != null && last.onset == episode.onset) {
                    latest.delete(place(episode.place, episode.kind));
                }
            }
        }

        private void see(Happened found, long now) {
            long where = place(found.place, found.kind);
            Happened known = latest.get(where);
            if (known != null && found.onset <= known.over + Ways.GAP_MS) {
                if (known.over < found.over) {
                    known.over = found.over;
                    latest.put(where, known);
                    episodes.put(key(where, known.onset), known);
                }
                return;
            }
            latest.put(where, found);
            episodes.put(key(where, found.onset), found);
            expiring.put(found.onset + Ways.HORIZON_MS, found.onset, found);
            context.forward(new Record<>(found.place, found, now), "decide");
        }
    }

    /** Keeps edges; from an effect, once all about its causes has arrived, walks along them to the best cause. */
    static final class Decide implements Processor<Integer, Object, Integer, Decision> {
        private ProcessorContext<Integer, Decision> context;
        private KeyValueStore<Bytes, Codecs.End> edges;
        private KeyValueStore<Bytes, Happened> episodes;
        private Due<Happened> waiting;
        private long swept;

        @Override
        public void init(ProcessorContext<Integer, Decision> context) {
            this.context = context;
            edges = context.getStateStore("edges");
            episodes = context.getStateStore("episodes");
            waiting = new Due<>(context.getStateStore("waiting"));
            schedule(context, this::pass);
        }

        @Override
        public void process(Record<Integer, Object> record) {
            if (record.value() instanceof Happened effect) {
                waiting.put(effect.onset + Ways.SETTLED_MS, effect.onset, effect);
            } else if (record.value() instanceof Event event && event.type == Event.EDGE) {
                tell(event, event.place, Ways.forward(event.verb), event.object);
                tell(event, event.object, Ways.backward(event.verb), event.place);
            } else if (record.value() instanceof Event event && event.type == MARK) {
                pass(event.at);
            }
        }

        private void tell(Event edge, int from, int step, int to) {
            if (0 <= step) {
                Codecs.End end = new Codecs.End(to, edge.validFrom, edge.validTo, edge.at);
                edges.put(key(place(from, step), edge.number), end);
            }
        }

        private void pass(long now) {
            for (Happened effect : waiting.take(now)) {
                Decision best = walk(effect.kind, effect.place, effect, Decision.none(effect));
                context.forward(new Record<>(effect.place, best, now));
            }
            // Edges that hold are told again; a sweep now and then is cheaper than a timer for every telling.
            if (swept + Ways.HORIZON_MS / 8 < now) {
                swept = now;
                sweep(now - Ways.HORIZON_MS);
            }
        }

        private Decision walk(int node, int place, Happened effect, Decision best) {
            Ways.Node here = Ways.get().nodes.get(node);
            for (Ways.Way way : here.ways) {
                best = meet(way, place, effect, best);
            }
            for (int step = 0; step < Ways.STEPS; step++) {
                if (here.next[step] < 0) {
                    continue;
                }
                long from = place(place, step);
                try (KeyValueIterator<Bytes, Codecs.End> ends = edges.range(key(from, 0), key(from, Long.MAX_VALUE))) {
                    while (ends.hasNext()) {
                        Codecs.End end = ends.next().value;
                        if (Ways.holds(end.validFrom(), end.validTo(), effect.onset, effect.earliest)) {
                            best = walk(here.next[step], end.place(), effect, best);
                        }
                    }
                }
            }
            return best;
        }

        private Decision meet(Ways.Way way, int place, Happened effect, Decision best) {
            long where = place(place, way.cause());
            try (KeyValueIterator<Bytes, Happened> causes = episodes.range(key(where, 0), key(where, Long.MAX_VALUE))) {
                while (causes.hasNext()) {
                    Happened cause = causes.next().value;
                    if (way.allows(cause.onset, cause.earliest, cause.over, effect.onset)) {
                        Decision candidate = Decision.of(effect, cause, way.number());
                        best = candidate.beats(best) ? candidate : best;
                    }
                }
            }
            return best;
        }

        private void sweep(long until) {
            List<Bytes> over = new ArrayList<>();
            try (KeyValueIterator<Bytes, Codecs.End> all = edges.all()) {
                while (all.hasNext()) {
                    KeyValue<Bytes, Codecs.End> entry = all.next();
                    if (entry.value.told() <= until) {
                        over.add(entry.key);
                    }
                }
            }
            over.forEach(edges::delete);
        }
    }

    /** Groups of all decisions; says what changed, and how far it has come. */
    static final class Incidents implements Processor<Integer, Object, Long, Result> {
        private ProcessorContext<Long, Result> context;
        private Groups groups;
        private Due<Long> leaving;

        @Override
        public void init(ProcessorContext<Long, Result> context) {
            this.context = context;
            groups = new Groups(over(context.getStateStore("group-of")), over(context.getStateStore("groups")));
            leaving = new Due<>(context.getStateStore("leaving"));
            schedule(context, this::pass);
        }

        @Override
        public void process(Record<Integer, Object> record) {
            if (record.value() instanceof Decision decision) {
                try {
                    groups.take(decision, result -> forward(result, record.timestamp()));
                } catch (Exception error) {
                    throw new IllegalStateException(error);
                }
                long onset = decision.effect.onset;
                leaving.put(onset + Ways.HORIZON_MS, onset, onset);
            } else if (record.value() instanceof Event event && event.type == MARK) {
                pass(event.at);
                Result progress = new Result();
                progress.id = PROGRESS;
                progress.incident = true;
                progress.startedAt = event.at;
                forward(progress, record.timestamp());
            }
        }

        private void pass(long now) {
            for (long onset : leaving.take(now)) {
                try {
                    groups.expire(onset, result -> forward(result, now));
                } catch (Exception error) {
                    throw new IllegalStateException(error);
                }
            }
        }

        private void forward(Result result, long now) {
            context.forward(new Record<>(result.id, result, now));
        }

        private static <V> Groups.Store<V> over(KeyValueStore<Long, V> store) {
            return new Groups.Store<>() {
                @Override
                public V get(long key) {
                    return store.get(key);
                }

                @Override
                public void put(long key, V value) {
                    store.put(key, value);
                }

                @Override
                public void remove(long key) {
                    store.delete(key);
                }
            };
        }
    }
}
