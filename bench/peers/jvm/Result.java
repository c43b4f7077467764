package peer;

/** A change of a view: a link, an incident, or an incident that is no more. */
public class Result {
    /** The link's effect has this onset; the group has this number. */
    public long id;
    public boolean incident;
    public boolean gone;
    public Decision link;
    public long startedAt;
    public long episodes;
    public long alerts;

    public static Result link(Decision decision) {
        Result result = new Result();
        result.id = decision.effect.onset;
        result.link = decision;
        return result;
    }

    public static Result incident(long id, Group group) {
        Result result = new Result();
        result.id = id;
        result.incident = true;
        result.gone = group == null || group.startedAt == Long.MAX_VALUE;
        if (!result.gone) {
            result.startedAt = group.startedAt;
            result.episodes = group.episodes;
            result.alerts = group.alerts;
        }
        return result;
    }
}
