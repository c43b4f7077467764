package peer;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** The ways of the rules, and one trie of their steps for each kind of effect. */
public final class Ways {
    public static final long HORIZON_MS = 7_200_000;
    public static final long GAP_MS = 60_000;
    public static final long SETTLED_MS = 360_000;
    public static final long AFTER_MS = 420_000;
    public static final long COMPARED_MS = 1_800_000;
    public static final long YOUNG_MS = 720_000;
    public static final int ERRORS = 5;
    public static final int ALERT = 6;
    public static final int STEPS = 5;
    private static final long SKEW_MS = 2_000;
    private static final long SLACK_MS = 300_000;
    private static final int KINDS = 7;

    /** One way from an effect to the place of its cause. */
    public record Way(int number, String rule, int cause, int effect, int[] steps, long windowMs, long weight, long hop,
                      long prior, long causeLayer, long effectLayer) {
        /** Whether what happened can have caused what began at {@code effect}. */
        public boolean allows(long onset, long earliest, long over, long effect) {
            boolean inOrder = causeLayer < effectLayer ? earliest <= effect + SKEW_MS
                : causeLayer == effectLayer ? onset <= effect : onset < effect;
            return onset != effect && inOrder && effect - over <= windowMs
                && effect - onset <= Math.max(windowMs, HORIZON_MS);
        }

        public long strength(long lag) {
            long quarter = windowMs / 4;
            long near = lag <= quarter ? 1_000 : 1_000 - 400 * Math.min(lag - quarter, windowMs) / windowMs;
            return weight * 10 * hop / 1_000 * near / 1_000;
        }

        public long score(long lag) {
            return strength(lag) + prior * 2;
        }
    }

    /** A place in a walk: the node that each step leads to, or -1, and the ways that end here. */
    public static final class Node {
        public final int[] next = {-1, -1, -1, -1, -1};
        public final List<Way> ways = new ArrayList<>();
    }

    /** Every way by its number. */
    public final List<Way> all = new ArrayList<>();
    /** The roots of the kinds of effect come first. */
    public final List<Node> nodes = new ArrayList<>();

    private static volatile Ways loaded;

    /** The ways that this process was started with. */
    public static Ways get() {
        return loaded;
    }

    public static void load(String file) {
        Ways ways = new Ways();
        for (int kind = 0; kind < KINDS; kind++) {
            ways.nodes.add(new Node());
        }
        try {
            for (String line : Files.readAllLines(Path.of(file))) {
                ways.add(line.split(","));
            }
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
        loaded = ways;
    }

    private void add(String[] fields) {
        long[] numbers = new long[fields.length];
        for (int index = 4; index < fields.length; index++) {
            numbers[index] = Long.parseLong(fields[index]);
        }
        String[] told = fields[3].split(" ");
        int[] steps = new int[told.length - 1];
        int at = Integer.parseInt(fields[2]);
        Way way = new Way(all.size(), fields[0], Integer.parseInt(fields[1]), at, steps, numbers[4], numbers[5], numbers[6],
            numbers[7], numbers[8], numbers[9]);
        for (int index = 0; index < steps.length; index++) {
            steps[index] = Integer.parseInt(told[index]);
            int next = nodes.get(at).next[steps[index]];
            if (next < 0) {
                next = nodes.size();
                nodes.get(at).next[steps[index]] = next;
                nodes.add(new Node());
            }
            at = next;
        }
        nodes.get(at).ways.add(way);
        all.add(way);
    }

    /** Whether an edge of an interval counts for an effect. */
    public static boolean holds(long validFrom, long validTo, long onset, long earliest) {
        return validFrom <= onset + SLACK_MS && (validTo == Long.MAX_VALUE || earliest <= validTo + SLACK_MS);
    }

    /** The step along an edge from its subject, or -1. Verbs: owns, selects, runs on, calls. */
    public static int forward(int verb) {
        return new int[] {-1, 1, 3, 4}[verb];
    }

    /** The step along an edge from its object, or -1. */
    public static int backward(int verb) {
        return new int[] {0, 2, -1, -1}[verb];
    }

    /** Whether a kind makes a group an incident: all but changed images and readiness. */
    public static boolean grave(int kind) {
        return kind != 0 && kind != 3;
    }
}
