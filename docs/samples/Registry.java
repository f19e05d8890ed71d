import gateway.v1.Feed.AcknowledgeRequest;
import gateway.v1.Feed.Bookmark;
import gateway.v1.Feed.ChangeOutcome;
import gateway.v1.Feed.FetchResponse;
import gateway.v1.Feed.KindChanges;
import gateway.v1.Feed.OutcomeKind;
import gateway.v1.Feed.ReportRequest;
import gateway.v1.Feed.WatchRequest;
import gateway.v1.Feed.WatchResponse;
import gateway.v1.FeedServiceGrpc;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * A registry that follows the feed. Generated from docs/wire.md's protoc call, with grpc-java and arrow-vector.
 * usage: Registry HOST:PORT CONSUMER_ID CURSOR
 */
public final class Registry {
    public static void main(String[] arguments) throws Exception {
        ManagedChannel channel = Grpc.newChannelBuilder(arguments[0], InsecureChannelCredentials.create())
                .keepAliveTime(30, TimeUnit.SECONDS).build();
        String cursor = arguments[2];
        while (true) {
            try {
                cursor = watch(channel, arguments[1], cursor);
            } catch (StatusRuntimeException broken) {
                // UNAVAILABLE: take it up again. CURSOR_EPOCH or CURSOR_EXPIRED in its ErrorInfo: take a snapshot first.
                if (broken.getStatus().getCode() != io.grpc.Status.Code.UNAVAILABLE) throw broken;
                Thread.sleep(1_000);
            }
        }
    }

    /** One stream, until the gateway ends it; the cursor to go on from. */
    static String watch(ManagedChannel channel, String consumer, String cursor) {
        WatchRequest request = WatchRequest.newBuilder().setConsumerId(consumer).setCursor(cursor).build();
        Iterator<WatchResponse> answers = FeedServiceGrpc.newBlockingStub(channel).watch(request);
        while (answers.hasNext()) {
            WatchResponse answer = answers.next();
            if (answer.hasBookmark()) {
                Bookmark bookmark = answer.getBookmark();
                cursor = bookmark.getCursor(); // nothing more up to here: the line lives, and we are current
                if (bookmark.getIsLast()) return cursor;
                continue;
            }
            FetchResponse page = answer.getPage();
            List<ChangeOutcome> outcomes = new ArrayList<>();
            for (KindChanges changes : page.getKindsList()) {
                for (long sequence : store(changes, page.getNextCursor())) {
                    outcomes.add(ChangeOutcome.newBuilder()
                            .setFeedSequence(sequence).setKind(OutcomeKind.OUTCOME_KIND_APPLIED).build());
                }
            }
            cursor = page.getNextCursor();
            FeedServiceGrpc.FeedServiceBlockingStub calls =
                    FeedServiceGrpc.newBlockingStub(channel).withDeadlineAfter(30, TimeUnit.SECONDS);
            calls.acknowledge(AcknowledgeRequest.newBuilder().setConsumerId(consumer).setCursor(cursor).build());
            calls.report(ReportRequest.newBuilder()
                    .setConsumerId(consumer).setCursor(cursor).addAllOutcomes(outcomes).build());
        }
        return cursor;
    }

    /** Write the changes and the cursor in one transaction, those we hold already passed over; their numbers. */
    static List<Long> store(KindChanges changes, String cursor) {
        byte[] stream = changes.getArrowStream().toByteArray(); // for an ArrowStreamReader
        throw new UnsupportedOperationException(changes.getKind() + ": " + stream.length + " bytes until " + cursor);
    }
}
