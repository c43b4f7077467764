package peer;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.BroadcastState;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.state.ReadOnlyBroadcastState;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.streaming.api.functions.co.KeyedBroadcastProcessFunction;
import org.apache.flink.streaming.api.functions.co.KeyedCoProcessFunction;
import org.apache.flink.util.Collector;
import org.apache.flink.util.OutputTag;

/**
 * The operators of the job, in the order in which events pass them. All state expires by timers of event time.
 *
 * <p>Records are reused, so that what is kept of them is a copy.
 */
final class Operators {
    /** The other end of an edge, and when it was told last. */
    public static class End {
        public int place;
        public long validFrom;
        public long validTo;
        public long told;
    }

    /** Causes of an effect are sought at a place, by the ways of a node. */
    public static class Lookup {
        public int place;
        public int node;
        public Happened effect;

        static Lookup of(int place, int node, Happened effect) {
            Lookup lookup = new Lookup();
            lookup.place = place;
            lookup.node = node;
            lookup.effect = effect;
            return lookup;
        }
    }

    /** By place and step, then by number of the edge. */
    static final MapStateDescriptor<Long, Map<Integer, End>> EDGES =
        new MapStateDescriptor<>("edges", Types.LONG, Types.MAP(Types.INT, Types.POJO(End.class)));
    static final OutputTag<Happened> EFFECTS = new OutputTag<>("effects", Types.POJO(Happened.class));
    static final OutputTag<Decision> MARKERS = new OutputTag<>("markers", Types.POJO(Decision.class));
    private static final long MINUTE_MS = 60_000;

    private Operators() {}

    /** Samples of a service to its anomalies, each told again with every slot that it lasts. */
    static final class Baselines extends KeyedProcessFunction<Integer, Event, Happened> {
        private transient ValueState<Series> state;

        @Override
        public void open(OpenContext context) {
            state = getRuntimeContext().getState(new ValueStateDescriptor<>("series", Types.POJO(Series.class)));
        }

        @Override
        public void processElement(Event sample, Context context, Collector<Happened> out) throws Exception {
            Series series = state.value();
            if (series == null) {
                series = new Series();
            }
            boolean begins = series.begins(sample.at);
            // The timer of the slot before may wait for a watermark that is still to come.
            if (begins) {
                close(series, sample.place, out);
            }
            if (series.add(sample.at, sample.value)) {
                out.collect(series.anomaly(sample.place, sample.at));
            }
            if (begins) {
                context.timerService().registerEventTimeTimer(series.closes());
            }
            state.update(series);
        }

        @Override
        public void onTimer(long at, OnTimerContext context, Collector<Happened> out) throws Exception {
            Series series = state.value();
            if (series.closes() == at) {
                close(series, context.getCurrentKey(), out);
                state.update(series);
            }
        }

        private static void close(Series series, int place, Collector<Happened> out) {
            if (series.close()) {
                out.collect(series.anomaly(place, series.last));
            }
        }
    }

    /** Folds what happened to a place into episodes: each beginning and longer end goes on, beginnings as effects too. */
    static final class Episodes extends KeyedProcessFunction<Integer, Happened, Happened> {
        private transient MapState<Integer, Happened> latest;

        @Override
        public void open(OpenContext context) {
            latest = getRuntimeContext().getMapState(new MapStateDescriptor<>("latest", Types.INT, Types.POJO(Happened.class)));
        }

        @Override
        public void processElement(Happened found, Context context, Collector<Happened> out) throws Exception {
            Happened known = latest.get(found.kind);
            if (known != null && found.onset <= known.over + Ways.GAP_MS) {
                if (known.over < found.over) {
                    known.over = found.over;
                    latest.put(found.kind, known);
                    out.collect(known);
                }
                return;
            }
            latest.put(found.kind, found.copy());
            context.timerService().registerEventTimeTimer(found.onset + Ways.HORIZON_MS);
            out.collect(found);
            context.output(EFFECTS, found);
        }

        @Override
        public void onTimer(long at, OnTimerContext context, Collector<Happened> out) throws Exception {
            for (Iterator<Map.Entry<Integer, Happened>> entries = latest.iterator(); entries.hasNext(); ) {
                if (entries.next().getValue().over + Ways.HORIZON_MS <= at) {
                    entries.remove();
                }
            }
        }
    }

    /** From an effect, once all about its causes has arrived, along the edges. */
    static final class Walks extends KeyedBroadcastProcessFunction<Integer, Happened, Event, Lookup> {
        private transient MapState<Long, Happened> waiting;
        private long swept;

        @Override
        public void open(OpenContext context) {
            waiting = getRuntimeContext().getMapState(new MapStateDescriptor<>("waiting", Types.LONG, Types.POJO(Happened.class)));
        }

        @Override
        public void processElement(Happened effect, ReadOnlyContext context, Collector<Lookup> out) throws Exception {
            waiting.put(effect.onset, effect.copy());
            context.timerService().registerEventTimeTimer(effect.onset + Ways.SETTLED_MS);
        }

        @Override
        public void processBroadcastElement(Event edge, Context context, Collector<Lookup> out) throws Exception {
            BroadcastState<Long, Map<Integer, End>> edges = context.getBroadcastState(EDGES);
            tell(edges, edge, edge.place, Ways.forward(edge.verb), edge.object);
            tell(edges, edge, edge.object, Ways.backward(edge.verb), edge.place);
            if (swept + MINUTE_MS < edge.at) {
                swept = edge.at;
                sweep(edges, edge.at - Ways.HORIZON_MS);
            }
        }

        @Override
        public void onTimer(long at, OnTimerContext context, Collector<Lookup> out) throws Exception {
            Happened effect = waiting.get(at - Ways.SETTLED_MS);
            waiting.remove(effect.onset);
            context.output(MARKERS, Decision.none(effect));
            walk(context.getBroadcastState(EDGES), effect.kind, effect.place, effect, out);
        }

        private static void walk(ReadOnlyBroadcastState<Long, Map<Integer, End>> edges, int node, int place, Happened effect,
                                 Collector<Lookup> out) throws Exception {
            Ways.Node here = Ways.get().nodes.get(node);
            if (!here.ways.isEmpty()) {
                out.collect(Lookup.of(place, node, effect));
            }
            for (int step = 0; step < Ways.STEPS; step++) {
                Map<Integer, End> ends = here.next[step] < 0 ? null : edges.get(key(place, step));
                if (ends == null) {
                    continue;
                }
                for (End end : ends.values()) {
                    if (Ways.holds(end.validFrom, end.validTo, effect.onset, effect.earliest)) {
                        walk(edges, here.next[step], end.place, effect, out);
                    }
                }
            }
        }

        private static void tell(BroadcastState<Long, Map<Integer, End>> edges, Event edge, int from, int step, int to)
            throws Exception {
            if (step < 0) {
                return;
            }
            End end = new End();
            end.place = to;
            end.validFrom = edge.validFrom;
            end.validTo = edge.validTo;
            end.told = edge.at;
            Map<Integer, End> ends = edges.get(key(from, step));
            if (ends == null) {
                ends = new HashMap<>();
            }
            ends.put(edge.number, end);
            edges.put(key(from, step), ends);
        }

        private static void sweep(BroadcastState<Long, Map<Integer, End>> edges, long until) throws Exception {
            for (Iterator<Map.Entry<Long, Map<Integer, End>>> all = edges.iterator(); all.hasNext(); ) {
                Map<Integer, End> ends = all.next().getValue();
                ends.values().removeIf(end -> end.told <= until);
                if (ends.isEmpty()) {
                    all.remove();
                }
            }
        }

        private static long key(int place, int step) {
            return (long) place << 3 | step;
        }
    }

    /** The episodes of a place as causes. A lookup waits until all episodes before its time are here. */
    static final class Causes extends KeyedCoProcessFunction<Integer, Happened, Lookup, Decision> {
        private static final TypeInformation<List<Lookup>> LOOKUPS = Types.LIST(Types.POJO(Lookup.class));
        private transient MapState<Long, Happened> episodes;
        private transient MapState<Long, List<Lookup>> waiting;

        @Override
        public void open(OpenContext context) {
            episodes = getRuntimeContext().getMapState(new MapStateDescriptor<>("episodes", Types.LONG, Types.POJO(Happened.class)));
            waiting = getRuntimeContext().getMapState(new MapStateDescriptor<>("lookups", Types.LONG, LOOKUPS));
        }

        @Override
        public void processElement1(Happened episode, Context context, Collector<Decision> out) throws Exception {
            if (!episodes.contains(episode.onset)) {
                context.timerService().registerEventTimeTimer(episode.onset + Ways.HORIZON_MS);
            }
            episodes.put(episode.onset, episode.copy());
        }

        @Override
        public void processElement2(Lookup lookup, Context context, Collector<Decision> out) throws Exception {
            long due = lookup.effect.onset + Ways.SETTLED_MS;
            List<Lookup> known = waiting.get(due);
            if (known == null) {
                known = new ArrayList<>();
                context.timerService().registerEventTimeTimer(due);
            }
            known.add(Lookup.of(lookup.place, lookup.node, lookup.effect.copy()));
            waiting.put(due, known);
        }

        @Override
        public void onTimer(long at, OnTimerContext context, Collector<Decision> out) throws Exception {
            List<Lookup> due = waiting.get(at);
            if (due != null) {
                waiting.remove(at);
                for (Happened cause : episodes.values()) {
                    for (Lookup lookup : due) {
                        judge(lookup, cause, out);
                    }
                }
            }
            episodes.remove(at - Ways.HORIZON_MS);
        }

        private static void judge(Lookup lookup, Happened cause, Collector<Decision> out) {
            for (Ways.Way way : Ways.get().nodes.get(lookup.node).ways) {
                if (way.cause() == cause.kind && way.allows(cause.onset, cause.earliest, cause.over, lookup.effect.onset)) {
                    out.collect(Decision.of(lookup.effect, cause, way.number()));
                }
            }
        }
    }

    /** The best candidate of an effect. */
    static final class Best extends KeyedProcessFunction<Long, Decision, Decision> {
        private transient ValueState<Decision> best;

        @Override
        public void open(OpenContext context) {
            best = getRuntimeContext().getState(new ValueStateDescriptor<>("best", Types.POJO(Decision.class)));
        }

        @Override
        public void processElement(Decision candidate, Context context, Collector<Decision> out) throws Exception {
            Decision known = best.value();
            if (candidate.beats(known)) {
                best.update(candidate.copy());
            }
            if (known == null) {
                context.timerService().registerEventTimeTimer(candidate.effect.onset + Ways.SETTLED_MS);
            }
        }

        @Override
        public void onTimer(long at, OnTimerContext context, Collector<Decision> out) throws Exception {
            out.collect(best.value());
            best.clear();
        }
    }

    /** Groups of all decisions, under one key: a group may take in any place. */
    static final class Incidents extends KeyedProcessFunction<Integer, Decision, Result> {
        private transient MapState<Long, Long> groupOf;
        private transient MapState<Long, Group> groups;

        @Override
        public void open(OpenContext context) {
            groupOf = getRuntimeContext().getMapState(new MapStateDescriptor<>("group-of", Types.LONG, Types.LONG));
            groups = getRuntimeContext().getMapState(new MapStateDescriptor<>("groups", Types.LONG, Types.POJO(Group.class)));
        }

        @Override
        public void processElement(Decision decision, Context context, Collector<Result> out) throws Exception {
            new Groups(over(groupOf), over(groups)).take(decision, out::collect);
            context.timerService().registerEventTimeTimer(decision.effect.onset + Ways.HORIZON_MS);
        }

        @Override
        public void onTimer(long at, OnTimerContext context, Collector<Result> out) throws Exception {
            new Groups(over(groupOf), over(groups)).expire(at - Ways.HORIZON_MS, out::collect);
        }

        private static <V> Groups.Store<V> over(MapState<Long, V> state) {
            return new Groups.Store<>() {
                @Override
                public V get(long key) throws Exception {
                    return state.get(key);
                }

                @Override
                public void put(long key, V value) throws Exception {
                    state.put(key, value);
                }

                @Override
                public void remove(long key) throws Exception {
                    state.remove(key);
                }
            };
        }
    }
}
