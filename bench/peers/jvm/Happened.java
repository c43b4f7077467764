package peer;

/** Something that happened to a place, or an episode of it. */
public class Happened {
    public int place;
    public int kind;
    public long onset;
    public long earliest;
    public long over;

    public static Happened of(int place, int kind, long onset, long earliest, long over) {
        Happened happened = new Happened();
        happened.place = place;
        happened.kind = kind;
        happened.onset = onset;
        happened.earliest = earliest;
        happened.over = over;
        return happened;
    }

    public Happened copy() {
        return of(place, kind, onset, earliest, over);
    }
}
