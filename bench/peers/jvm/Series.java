package peer;

import java.util.Arrays;

/** The samples of one service against what is usual: the state of a key. Samples come in order. */
public class Series {
    private static final long SLOT_MS = 15_000;
    private static final int LEAST = 8;
    private static final int MOST = 60;
    private static final int STAYS = 40;
    private static final long FLOOR_MICRO = 10_000;

    public long slot;
    public long sum;
    public long count;
    /** The present slot is not closed yet. */
    public boolean open;
    public long first;
    public long last;
    public long slotBefore;
    public long lastBefore;
    /** Oldest first. */
    public long[] usual = {};
    public long[] unusual = {};
    /** 1 rises, -1 falls, 0 none. */
    public int run;
    public long runOnset;
    public long runEarliest;
    public long runBefore;
    public boolean told;

    public static long slotOf(long at) {
        return Math.floorDiv(at, SLOT_MS);
    }

    /** When the present slot is complete. */
    public long closes() {
        return (slot + 1) * SLOT_MS;
    }

    /** Whether a sample begins a slot; the one before it must be closed first. */
    public boolean begins(long at) {
        return count == 0 || slotOf(at) != slot;
    }

    /** Adds a sample. Whether it ends, or goes on with, an anomaly that was told. */
    public boolean add(long at, long value) {
        if (!begins(at)) {
            sum += value;
            count++;
            last = at;
            return false;
        }
        slotBefore = slot;
        lastBefore = last;
        slot = slotOf(at);
        sum = value;
        count = 1;
        open = true;
        first = at;
        last = at;
        return told;
    }

    /** The present slot is complete, if it was not already. Whether it then is part of an anomaly that lasts. */
    public boolean close() {
        if (!open) {
            return false;
        }
        open = false;
        int rises = judge(sum / count);
        learn(sum / count, rises);
        if (rises == 0) {
            run = 0;
            told = false;
            return false;
        }
        if (run != rises) {
            run = rises;
            runOnset = first;
            runEarliest = lastBefore;
            runBefore = slotBefore;
        }
        told = rises == 1 && 2 <= slot - runBefore;
        return told;
    }

    /** The anomaly so far. */
    public Happened anomaly(int place, long over) {
        return Happened.of(place, Ways.ERRORS, runOnset, runEarliest, over);
    }

    private int judge(long mean) {
        int length = usual.length;
        if (length < LEAST) {
            return 0;
        }
        long[] sorted = usual.clone();
        Arrays.sort(sorted);
        long median = sorted[(length - 1) / 2];
        long distance = Math.abs(mean - median);
        long least = Math.max(FLOOR_MICRO, Math.abs(median) / 10);
        if (distance <= 6 * least) {
            return 0;
        }
        for (int index = 0; index < length; index++) {
            sorted[index] = Math.abs(sorted[index] - median);
        }
        Arrays.sort(sorted);
        long spread = Math.max(least, Math.max(sorted[(length - 1) / 2] * 3 / 2, sorted[length * 9 / 10] * 3 / 5));
        return 6 * spread < distance ? Long.signum(mean - median) : 0;
    }

    private void learn(long mean, int rises) {
        if (rises == 0) {
            unusual = new long[0];
            usual = with(usual, mean, MOST);
        } else if (unusual.length == STAYS - 1) {
            usual = with(unusual, mean, LEAST);
            unusual = new long[0];
        } else {
            unusual = with(unusual, mean, STAYS);
        }
    }

    private static long[] with(long[] values, long value, int most) {
        int kept = Math.min(values.length, most - 1);
        long[] longer = Arrays.copyOfRange(values, values.length - kept, values.length + 1);
        longer[kept] = value;
        return longer;
    }
}
