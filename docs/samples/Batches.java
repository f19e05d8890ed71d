// The messages of a push, and what two sides compare. Needs protobuf-java and the classes generated from proto/.

import com.google.protobuf.ByteString;
import com.google.protobuf.Timestamp;
import com.google.type.Date;
import gateway.v1.Intake.Batch;
import gateway.v1.Intake.BatchFormat;
import gateway.v1.Intake.CompareBatchesRequest;
import gateway.v1.Intake.Hello;
import gateway.v1.Intake.PushRequest;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Instant;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.List;

public final class Batches {
    private Batches() {}

    /** The first message of a push. */
    public static PushRequest hello(String sourceId, String epoch, Instant now) {
        Timestamp clock = Timestamp.newBuilder().setSeconds(now.getEpochSecond()).setNanos(now.getNano()).build();
        return PushRequest.newBuilder()
                .setHello(
                        Hello.newBuilder()
                                .setSourceId(sourceId)
                                .setEpoch(epoch)
                                .setClientSoftware("sample-java/1")
                                .setClientTime(clock))
                .build();
    }

    /** A file as one batch. The same number always carries the same bytes. */
    public static PushRequest batch(long sequence, byte[] payload, LocalDate exportedOn) {
        return PushRequest.newBuilder()
                .setBatch(
                        Batch.newBuilder()
                                .setSequence(sequence)
                                .setFormat(BatchFormat.BATCH_FORMAT_SOURCE_FILE)
                                .setPayload(ByteString.copyFrom(payload))
                                .setSha256(ByteString.copyFrom(sha256(payload)))
                                .setExportedOn(
                                        Date.newBuilder()
                                                .setYear(exportedOn.getYear())
                                                .setMonth(exportedOn.getMonthValue())
                                                .setDay(exportedOn.getDayOfMonth())))
                .build();
    }

    /** What we hold of batches 1 to n, for the gateway to compare by its root. */
    public static CompareBatchesRequest comparison(String sourceId, String epoch, List<byte[]> hashes) {
        List<byte[]> leaves = new ArrayList<>();
        for (int index = 0; index < hashes.size(); index++) {
            leaves.add(ByteBuffer.allocate(40).putLong(index + 1L).put(hashes.get(index)).array());
        }
        return CompareBatchesRequest.newBuilder()
                .setSourceId(sourceId)
                .setEpoch(epoch)
                .setFirstSequence(1)
                .setLastSequence(hashes.size())
                .setMerkleRoot(ByteString.copyFrom(root(leaves)))
                .build();
    }

    /** The Merkle tree hash of RFC 6962, 2.1. */
    public static byte[] root(List<byte[]> leaves) {
        if (leaves.isEmpty()) {
            return sha256();
        }
        if (leaves.size() == 1) {
            return sha256(new byte[] {0}, leaves.get(0));
        }
        int split = Integer.highestOneBit(leaves.size() - 1);
        return sha256(
                new byte[] {1}, root(leaves.subList(0, split)), root(leaves.subList(split, leaves.size())));
    }

    static byte[] sha256(byte[]... parts) {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            for (byte[] part : parts) {
                digest.update(part);
            }
            return digest.digest();
        } catch (NoSuchAlgorithmException impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    /** Prints the root that docs/agent.md gives for the payloads "1" and "2". */
    public static void main(String[] arguments) {
        List<byte[]> hashes = List.of(sha256(new byte[] {'1'}), sha256(new byte[] {'2'}));
        CompareBatchesRequest request = comparison("ha-noi.population", "e1", hashes);
        for (byte one : request.getMerkleRoot()) {
            System.out.printf("%02x", one);
        }
        System.out.println();
        PushRequest pushed = batch(1, new byte[] {'1'}, LocalDate.of(2025, 7, 15));
        System.out.println(pushed.getBatch().getSha256().size() + hello("a", "e1", Instant.EPOCH).getHello().getEpoch());
    }
}
