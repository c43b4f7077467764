package peer;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** The present rows, as a consumer of the results keeps them. */
public final class Views {
    private record Link(Happened effect, long causeOnset, int causePlace, int way) {}

    private record Incident(long startedAt, long episodes, long alerts) {}

    private final Map<Long, Link> links = new ConcurrentHashMap<>();
    private final Map<Long, Incident> incidents = new ConcurrentHashMap<>();

    public void take(Result result) {
        if (!result.incident) {
            Decision link = result.link;
            Happened effect = Happened.of(link.effect.place, link.effect.kind, result.id, 0, 0);
            links.put(result.id, new Link(effect, link.causeOnset, link.causePlace, link.way));
        } else if (result.gone) {
            incidents.remove(result.id);
        } else {
            incidents.put(result.id, new Incident(result.startedAt, result.episodes, result.alerts));
        }
    }

    /** Forgets links whose effect began at or before an instant. */
    public void expire(long until) {
        links.keySet().removeIf(onset -> onset <= until);
    }

    /** Writes what is compared as of the end. */
    public void write(String file, long end) throws IOException {
        List<String> lines = new ArrayList<>();
        for (Link link : links.values()) {
            Happened effect = link.effect;
            Ways.Way way = Ways.get().all.get(link.way);
            if (end - Ways.COMPARED_MS <= effect.onset) {
                lines.add("L " + effect.onset + " " + effect.place + " " + effect.kind + " " + link.causeOnset + " "
                    + link.causePlace + " " + way.cause() + " " + way.rule() + " "
                    + way.strength(effect.onset - link.causeOnset));
            }
        }
        for (Incident incident : incidents.values()) {
            if (end - Ways.COMPARED_MS <= incident.startedAt && incident.startedAt <= end - Ways.YOUNG_MS) {
                lines.add("I " + incident.startedAt + " " + incident.episodes + " " + incident.alerts);
            }
        }
        lines.sort(null);
        Files.write(Path.of(file), lines);
    }
}
