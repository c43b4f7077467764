package peer;

/** Episodes connected by best links. */
public class Group {
    public long[] members = {};
    public long latest;
    public long episodes;
    public long alerts;
    public long startedAt = Long.MAX_VALUE;
}
