package peer;

import java.nio.ByteBuffer;
import java.util.function.BiConsumer;
import java.util.function.Function;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;

/** How events, results and state are written: fixed fields, big-endian. */
final class Codecs {
    /** The other end of an edge, and when it was told last. */
    record End(int place, long validFrom, long validTo, long told) {}

    private static final int LONGEST = 1 << 20;
    private static final ThreadLocal<ByteBuffer> BUFFER = ThreadLocal.withInitial(() -> ByteBuffer.allocate(LONGEST));

    static final Serde<Event> EVENT = serde(Codecs::write, Codecs::readEvent);
    static final Serde<Happened> HAPPENED = serde(Codecs::write, Codecs::readHappened);
    static final Serde<Series> SERIES = serde(Codecs::write, Codecs::readSeries);
    static final Serde<Decision> DECISION = serde(Codecs::write, Codecs::readDecision);
    static final Serde<Group> GROUP = serde(Codecs::write, Codecs::readGroup);
    static final Serde<Result> RESULT = serde(Codecs::write, Codecs::readResult);
    static final Serde<End> END = serde(
        (end, out) -> out.putInt(end.place).putLong(end.validFrom).putLong(end.validTo).putLong(end.told),
        in -> new End(in.getInt(), in.getLong(), in.getLong(), in.getLong()));

    private Codecs() {}

    private static <T> Serde<T> serde(BiConsumer<T, ByteBuffer> write, Function<ByteBuffer, T> read) {
        return Serdes.serdeFrom((topic, value) -> {
            if (value == null) {
                return null;
            }
            ByteBuffer buffer = BUFFER.get().clear();
            write.accept(value, buffer);
            byte[] bytes = new byte[buffer.position()];
            buffer.flip().get(bytes);
            return bytes;
        }, (topic, bytes) -> bytes == null ? null : read.apply(ByteBuffer.wrap(bytes)));
    }

    private static void write(Event event, ByteBuffer out) {
        out.put((byte) event.type).putLong(event.at).putInt(event.place);
        switch (event.type) {
            case Event.SIGNAL -> out.putInt(event.kind);
            case Event.SAMPLE -> out.putLong(event.value);
            case Event.EDGE -> out.putInt(event.number).putInt(event.verb).putInt(event.object)
                .putLong(event.validFrom).putLong(event.validTo);
            default -> { }
        }
    }

    private static Event readEvent(ByteBuffer in) {
        Event event = new Event();
        event.type = in.get();
        event.at = in.getLong();
        event.place = in.getInt();
        switch (event.type) {
            case Event.SIGNAL -> event.kind = in.getInt();
            case Event.SAMPLE -> event.value = in.getLong();
            case Event.EDGE -> {
                event.number = in.getInt();
                event.verb = in.getInt();
                event.object = in.getInt();
                event.validFrom = in.getLong();
                event.validTo = in.getLong();
            }
            default -> { }
        }
        return event;
    }

    private static void write(Happened happened, ByteBuffer out) {
        out.putInt(happened.place).putInt(happened.kind);
        out.putLong(happened.onset).putLong(happened.earliest).putLong(happened.over);
    }

    private static Happened readHappened(ByteBuffer in) {
        return Happened.of(in.getInt(), in.getInt(), in.getLong(), in.getLong(), in.getLong());
    }

    private static void write(Series series, ByteBuffer out) {
        out.putLong(series.slot).putLong(series.sum).putLong(series.count).put((byte) (series.open ? 1 : 0));
        out.putLong(series.first).putLong(series.last).putLong(series.slotBefore).putLong(series.lastBefore);
        write(series.usual, out);
        write(series.unusual, out);
        out.put((byte) series.run).putLong(series.runOnset).putLong(series.runEarliest).putLong(series.runBefore);
        out.put((byte) (series.told ? 1 : 0));
    }

    private static Series readSeries(ByteBuffer in) {
        Series series = new Series();
        series.slot = in.getLong();
        series.sum = in.getLong();
        series.count = in.getLong();
        series.open = in.get() == 1;
        series.first = in.getLong();
        series.last = in.getLong();
        series.slotBefore = in.getLong();
        series.lastBefore = in.getLong();
        series.usual = readLongs(in);
        series.unusual = readLongs(in);
        series.run = in.get();
        series.runOnset = in.getLong();
        series.runEarliest = in.getLong();
        series.runBefore = in.getLong();
        series.told = in.get() == 1;
        return series;
    }

    private static void write(Decision decision, ByteBuffer out) {
        write(decision.effect, out);
        out.putLong(decision.causeOnset).putInt(decision.causePlace).putInt(decision.way);
    }

    private static Decision readDecision(ByteBuffer in) {
        Decision decision = Decision.none(readHappened(in));
        decision.causeOnset = in.getLong();
        decision.causePlace = in.getInt();
        decision.way = in.getInt();
        return decision;
    }

    private static void write(Group group, ByteBuffer out) {
        write(group.members, out);
        out.putLong(group.latest).putLong(group.episodes).putLong(group.alerts).putLong(group.startedAt);
    }

    private static Group readGroup(ByteBuffer in) {
        Group group = new Group();
        group.members = readLongs(in);
        group.latest = in.getLong();
        group.episodes = in.getLong();
        group.alerts = in.getLong();
        group.startedAt = in.getLong();
        return group;
    }

    private static void write(Result result, ByteBuffer out) {
        out.putLong(result.id).put((byte) (result.incident ? 1 : 0)).put((byte) (result.gone ? 1 : 0));
        if (result.incident) {
            out.putLong(result.startedAt).putLong(result.episodes).putLong(result.alerts);
        } else if (!result.gone) {
            write(result.link, out);
        }
    }

    private static Result readResult(ByteBuffer in) {
        Result result = new Result();
        result.id = in.getLong();
        result.incident = in.get() == 1;
        result.gone = in.get() == 1;
        if (result.incident) {
            result.startedAt = in.getLong();
            result.episodes = in.getLong();
            result.alerts = in.getLong();
        } else if (!result.gone) {
            result.link = readDecision(in);
        }
        return result;
    }

    private static void write(long[] values, ByteBuffer out) {
        out.putInt(values.length);
        for (long value : values) {
            out.putLong(value);
        }
    }

    private static long[] readLongs(ByteBuffer in) {
        long[] values = new long[in.getInt()];
        for (int index = 0; index < values.length; index++) {
            values[index] = in.getLong();
        }
        return values;
    }
}
