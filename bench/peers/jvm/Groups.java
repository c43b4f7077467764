package peer;

import java.util.Arrays;
import java.util.function.Consumer;

/** All groups, over whatever state an engine keeps them in. The smaller group moves into the larger. */
public final class Groups {
    /** A map in the state of an engine. */
    public interface Store<V> {
        V get(long key) throws Exception;

        void put(long key, V value) throws Exception;

        void remove(long key) throws Exception;
    }

    private final Store<Long> groupOf;
    private final Store<Group> groups;

    public Groups(Store<Long> groupOf, Store<Group> groups) {
        this.groupOf = groupOf;
        this.groups = groups;
    }

    /** An effect is decided. */
    public void take(Decision decision, Consumer<Result> changed) throws Exception {
        Happened effect = decision.effect;
        long id = group(effect.onset);
        Group group = groups.get(id);
        group.episodes++;
        group.alerts += effect.kind == Ways.ALERT ? 1 : 0;
        if (Ways.grave(effect.kind)) {
            group.startedAt = Math.min(group.startedAt, effect.onset);
        }
        groups.put(id, group);
        if (0 <= decision.way) {
            changed.accept(Result.link(decision));
            id = join(id, group(decision.causeOnset), changed);
            group = groups.get(id);
        }
        changed.accept(Result.incident(id, group));
    }

    /** Forgets the group of an onset that is over, unless one of its members is later. */
    public void expire(long onset, Consumer<Result> changed) throws Exception {
        Long id = groupOf.get(onset);
        Group group = id == null ? null : groups.get(id);
        if (group == null || onset < group.latest) {
            return;
        }
        for (long member : group.members) {
            groupOf.remove(member);
        }
        groups.remove(id);
        changed.accept(Result.incident(id, null));
    }

    private long join(long left, long right, Consumer<Result> changed) throws Exception {
        if (left == right) {
            return left;
        }
        Group one = groups.get(left);
        Group other = groups.get(right);
        boolean swap = one.members.length < other.members.length;
        long into = swap ? right : left;
        long from = swap ? left : right;
        Group kept = swap ? other : one;
        Group moved = swap ? one : other;
        for (long member : moved.members) {
            groupOf.put(member, into);
        }
        int length = kept.members.length;
        kept.members = Arrays.copyOf(kept.members, length + moved.members.length);
        System.arraycopy(moved.members, 0, kept.members, length, moved.members.length);
        kept.latest = Math.max(kept.latest, moved.latest);
        kept.episodes += moved.episodes;
        kept.alerts += moved.alerts;
        kept.startedAt = Math.min(kept.startedAt, moved.startedAt);
        groups.put(into, kept);
        groups.remove(from);
        changed.accept(Result.incident(from, null));
        return into;
    }

    private long group(long onset) throws Exception {
        Long known = groupOf.get(onset);
        if (known != null) {
            return known;
        }
        Group group = new Group();
        group.members = new long[] {onset};
        group.latest = onset;
        groups.put(onset, group);
        groupOf.put(onset, onset);
        return onset;
    }
}
