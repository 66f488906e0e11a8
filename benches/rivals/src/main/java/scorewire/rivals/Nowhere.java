package scorewire.rivals;

/** For outcomes of the warm-up. */
final class Nowhere<R> implements MicroBatch.Outlet<R> {
    @Override
    public void output(R source, int partition, byte[] value, Decision decision) {}

    @Override
    public void review(R source, byte[] id, byte[] value, Decision decision) {}

    @Override
    public void deadLetter(R source, int partition, long offset, Rejected why) {}
}
