package peer;

/** An effect with a cause of it, the best so far; without one while {@code way} is negative. */
public class Decision {
    public Happened effect = new Happened();
    public long causeOnset;
    public int causePlace;
    public int way = -1;

    public static Decision none(Happened effect) {
        Decision decision = new Decision();
        decision.effect = effect;
        return decision;
    }

    public static Decision of(Happened effect, Happened cause, int way) {
        Decision decision = none(effect);
        decision.causeOnset = cause.onset;
        decision.causePlace = cause.place;
        decision.way = way;
        return decision;
    }

    public Decision copy() {
        Decision decision = none(effect.copy());
        decision.causeOnset = causeOnset;
        decision.causePlace = causePlace;
        decision.way = way;
        return decision;
    }

    public boolean beats(Decision other) {
        if (other == null || way < 0 || other.way < 0) {
            return other == null || 0 <= way;
        }
        int order = Long.compare(score(), other.score());
        return order == 0 ? other.causeOnset < causeOnset : 0 < order;
    }

    private long score() {
        return Ways.get().all.get(way).score(effect.onset - causeOnset);
    }
}
