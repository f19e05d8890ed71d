// Pushes the files of a folder, in the order of their names, until each has its receipt. By grpc-java.
// usage: java Push HOST PORT SOURCE_ID EPOCH FOLDER yyyy-mm-dd

import gateway.v1.Intake.PushRequest;
import gateway.v1.Intake.PushResponse;
import gateway.v1.Intake.Welcome;
import gateway.v1.IntakeServiceGrpc;
import io.grpc.ManagedChannel;
import io.grpc.Grpc;
import io.grpc.TlsChannelCredentials;
import io.grpc.stub.StreamObserver;
import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.LocalDate;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;

public final class Push {
    public static void main(String[] arguments) throws Exception {
        List<Path> files;
        try (var entries = Files.list(Path.of(arguments[4]))) {
            files = entries.sorted().toList();
        }
        var credentials = TlsChannelCredentials.newBuilder()
                .keyManager(new File("agent.crt"), new File("agent.key"))
                .trustManager(new File("authorities.crt"))
                .build();
        ManagedChannel channel = Grpc.newChannelBuilderForAddress(
                        arguments[0], Integer.parseInt(arguments[1]), credentials)
                .keepAliveTime(30, TimeUnit.SECONDS)
                .build();
        long next = 1;
        while (next <= files.size()) {
            try {
                next = pushFrom(channel, arguments[2], arguments[3], files, LocalDate.parse(arguments[5]));
            } catch (IllegalStateException lost) {
                // The outcome of what was not answered is unknown: the same bytes go again under the same number.
                Thread.sleep((long) (Math.random() * 5_000));
            }
        }
        channel.shutdown();
    }

    /** One stream: returns the number after the last batch that was answered. */
    static long pushFrom(
            ManagedChannel channel, String sourceId, String epoch, List<Path> files, LocalDate day) throws Exception {
        BlockingQueue<Object> answers = new ArrayBlockingQueue<>(64);
        StreamObserver<PushRequest> call = IntakeServiceGrpc.newStub(channel).push(new StreamObserver<>() {
            @Override
            public void onNext(PushResponse answer) {
                answers.add(answer);
            }

            @Override
            public void onError(Throwable error) {
                answers.add(error);
            }

            @Override
            public void onCompleted() {
                answers.add("end");
            }
        });
        call.onNext(Batches.hello(sourceId, epoch, Instant.now()));
        Welcome welcome = take(answers).getWelcome();
        long sequence = welcome.getLastDurableSequence() + 1;
        for (; sequence <= files.size(); sequence++) {
            byte[] payload = Files.readAllBytes(files.get((int) sequence - 1));
            if (payload.length > welcome.getLimits().getMaxPayloadBytes()) {
                throw new IllegalArgumentException(files.get((int) sequence - 1) + " is too large for a batch");
            }
            call.onNext(Batches.batch(sequence, payload, day));
            PushResponse answer = take(answers);
            if (answer.hasReceipt()) {
                System.out.println(sequence + ": " + answer.getReceipt().getReceiptId() + ", accepted "
                        + answer.getReceipt().getAccepted() + ", quarantined " + answer.getReceipt().getQuarantined());
            } else {
                System.err.println(sequence + " was refused: " + answer.getRefusal().getStatus().getMessage());
            }
        }
        call.onCompleted();
        return sequence;
    }

    private static PushResponse take(BlockingQueue<Object> answers) throws InterruptedException {
        Object answer = answers.poll(60, TimeUnit.SECONDS);
        if (answer instanceof PushResponse response) {
            return response;
        }
        throw new IllegalStateException(String.valueOf(answer));
    }
}
