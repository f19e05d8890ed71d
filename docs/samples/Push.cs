// Pushes the files of a folder, in the order of their names, until each has its receipt. By Grpc.Net.Client.
// usage: dotnet run https://HOST:PORT SOURCE_ID EPOCH FOLDER yyyy-mm-dd

using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Gateway.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Google.Type;
using Grpc.Core;
using Grpc.Net.Client;

var (address, sourceId, epoch) = (args[0], args[1], args[2]);
var files = Directory.GetFiles(args[3]).OrderBy(name => name, StringComparer.Ordinal).ToList();
var day = DateOnly.Parse(args[4]);

var handler = new SocketsHttpHandler { KeepAlivePingDelay = TimeSpan.FromSeconds(30) };
handler.SslOptions.ClientCertificates = [X509Certificate2.CreateFromPemFile("agent.crt", "agent.key")];
handler.SslOptions.RemoteCertificateValidationCallback = (_, certificate, _, _) =>
{
    using var chain = new X509Chain();
    chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
    chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
    chain.ChainPolicy.CustomTrustStore.ImportFromPemFile("authorities.crt");
    return chain.Build(new X509Certificate2(certificate!));
};
using var channel = GrpcChannel.ForAddress(address, new GrpcChannelOptions { HttpHandler = handler });
var client = new IntakeService.IntakeServiceClient(channel);

for (var next = 1ul; next <= (ulong)files.Count;)
{
    try
    {
        next = await PushFrom();
    }
    catch (RpcException lost) when (lost.StatusCode is StatusCode.Unavailable or StatusCode.DeadlineExceeded)
    {
        // The outcome of what was not answered is unknown: the same bytes go again under the same number.
        await Task.Delay(Random.Shared.Next(5_000));
    }
}

async Task<ulong> PushFrom()
{
    using var call = client.Push();
    await call.RequestStream.WriteAsync(new PushRequest
    {
        Hello = new Hello
        {
            SourceId = sourceId,
            Epoch = epoch,
            ClientSoftware = "sample-csharp/1",
            ClientTime = Timestamp.FromDateTime(System.DateTime.UtcNow),
        },
    });
    var welcome = (await Answer(call)).Welcome;
    var sequence = welcome.LastDurableSequence + 1;
    for (; sequence <= (ulong)files.Count; sequence++)
    {
        var payload = await File.ReadAllBytesAsync(files[(int)sequence - 1]);
        if (payload.Length > welcome.Limits.MaxPayloadBytes)
        {
            throw new InvalidOperationException($"{files[(int)sequence - 1]} is too large for a batch");
        }
        await call.RequestStream.WriteAsync(new PushRequest
        {
            Batch = new Batch
            {
                Sequence = sequence,
                Format = BatchFormat.SourceFile,
                Payload = ByteString.CopyFrom(payload),
                Sha256 = ByteString.CopyFrom(SHA256.HashData(payload)),
                ExportedOn = new Date { Year = day.Year, Month = day.Month, Day = day.Day },
            },
        });
        var answer = await Answer(call);
        Console.WriteLine(answer.MessageCase == PushResponse.MessageOneofCase.Receipt
            ? $"{sequence}: {answer.Receipt.ReceiptId}, accepted {answer.Receipt.Accepted}"
            : $"{sequence} was refused: {answer.Refusal.Status.Message}");
    }
    await call.RequestStream.CompleteAsync();
    return sequence;
}

static async Task<PushResponse> Answer(AsyncDuplexStreamingCall<PushRequest, PushResponse> call) =>
    await call.ResponseStream.MoveNext()
        ? call.ResponseStream.Current
        : throw new RpcException(new Status(StatusCode.Unavailable, "The gateway ended the push."));
