package peer;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** An event of the workload: a signal, a sample or an edge. Public fields, so that engines can serialize it field by field. */
public class Event {
    public static final int SIGNAL = 0;
    public static final int SAMPLE = 1;
    public static final int EDGE = 2;

    public int type;
    public long at;
    /** Of a signal or a sample; subject of an edge. */
    public int place;
    /** Of a signal. */
    public int kind;
    /** Of a sample, in millionths. */
    public long value;
    public int number;
    public int verb;
    public int object;
    public long validFrom;
    public long validTo;

    /** All events of a file, in the order of their time. */
    public static Event[] read(String file) throws IOException {
        List<String> lines = Files.readAllLines(Path.of(file));
        Event[] events = new Event[lines.size()];
        for (int index = 0; index < events.length; index++) {
            events[index] = parse(lines.get(index).split(","));
        }
        return events;
    }

    private static Event parse(String[] fields) {
        Event event = new Event();
        event.at = Long.parseLong(fields[1]);
        switch (fields[0]) {
            case "S" -> {
                event.type = SIGNAL;
                event.place = Integer.parseInt(fields[2]);
                event.kind = Integer.parseInt(fields[3]);
            }
            case "M" -> {
                event.type = SAMPLE;
                event.place = Integer.parseInt(fields[2]);
                event.value = Long.parseLong(fields[3]);
            }
            default -> {
                event.type = EDGE;
                event.number = Integer.parseInt(fields[2]);
                event.place = Integer.parseInt(fields[3]);
                event.verb = Integer.parseInt(fields[4]);
                event.object = Integer.parseInt(fields[5]);
                event.validFrom = Long.parseLong(fields[6]);
                event.validTo = Long.parseLong(fields[7]);
            }
        }
        return event;
    }
}
