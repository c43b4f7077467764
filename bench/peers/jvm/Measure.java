package peer;

import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.locks.LockSupport;

/** One run: hands over what is due, knows what is visible, and says what that took. */
public final class Measure {
    /** Takes a batch: events from an index up to another. */
    public interface Take {
        void take(int from, int until) throws Exception;
    }

    private final Event[] events;
    private final int batch;
    private final double rate;
    private final double[] latencies;
    private long begun;
    private double cpuBefore;
    private double wall;
    private double cpu;
    private int shown;
    private long visible = Long.MIN_VALUE;

    public Measure(Event[] events, int batch, double rate) {
        this.events = events;
        this.batch = batch;
        this.rate = rate;
        this.latencies = new double[0 < rate ? events.length : 0];
    }

    /** All about events up to an instant is visible. */
    public synchronized void visible(long at) {
        visible = Math.max(visible, at);
        double now = 0 < rate ? seconds() : 0;
        for (; shown < events.length && events[shown].at <= at; shown++) {
            if (0 < rate) {
                latencies[shown] = (now - shown / rate) * 1_000;
            }
        }
        notifyAll();
    }

    public synchronized void awaitVisible(long at) throws InterruptedException {
        while (visible < at) {
            wait();
        }
    }

    /** Hands over all events, as fast as they are taken or at the rate, and waits until they are visible. */
    public void feed(Take take) throws Exception {
        begun = System.nanoTime();
        cpuBefore = processor();
        for (int next = 0; next < events.length; ) {
            int due = rate == 0 ? events.length : (int) Math.min(events.length, (long) (seconds() * rate) + 1);
            int until = Math.min(due, next + batch);
            if (until <= next) {
                LockSupport.parkNanos((long) (Math.min(0.001, next / rate - seconds()) * 1e9));
                continue;
            }
            take.take(next, until);
            next = until;
        }
        awaitVisible(last());
        wall = seconds();
        cpu = processor() - cpuBefore;
    }

    /** Processor seconds of others that the same work took. */
    public void alsoUsed(double seconds) {
        cpu += seconds;
    }

    public long last() {
        return events[events.length - 1].at;
    }

    /** What {@code now} is at the end. */
    public long end() {
        return last() + Ways.AFTER_MS;
    }

    /** Prints the document that a run comes to. */
    public void print(double start, long bytes, String version) {
        long end = end();
        long live = 0;
        for (Event event : events) {
            live += end < event.at + Ways.HORIZON_MS ? 1 : 0;
        }
        StringBuilder text = new StringBuilder();
        text.append(String.format(Locale.ROOT, "{\"events\":%d,\"wall_s\":%f,\"cpu_s\":%f,\"start_s\":%f,\"bytes\":%d,\"live\":%d,",
            events.length, wall, cpu, start, Math.max(0, bytes), live));
        text.append("\"version\":\"").append(version).append("\",\"latencies_ms\":[");
        for (int index = 0; index < latencies.length; index++) {
            text.append(index == 0 ? "" : ",").append(Math.round(latencies[index] * 1_000) / 1_000.0);
        }
        System.out.println(text.append("]}"));
    }

    private double seconds() {
        return (System.nanoTime() - begun) / 1e9;
    }

    private static double processor() {
        return ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime() / 1e9;
    }

    /** Seconds since this process began. */
    public static double sinceStart() {
        return ManagementFactory.getRuntimeMXBean().getUptime() / 1e3;
    }

    /** Bytes of live objects on the heap. */
    public static long heap() {
        for (int times = 0; times < 3; times++) {
            System.gc();
        }
        return ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed();
    }

    /** Resident bytes of this process. With a heap that is touched ahead, it grows by what lies beside the heap. */
    public static long resident() throws IOException {
        for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
            if (line.startsWith("VmRSS:")) {
                return Long.parseLong(line.replaceAll("[^0-9]", "")) * 1_024;
            }
        }
        return 0;
    }
}
