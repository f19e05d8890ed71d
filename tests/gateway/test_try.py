import asyncio, time
from tests.gateway.conftest import *
from tests.gateway.batches import *
from gateway.client import *
import pytest
@pytest.mark.parametrize("size,n,streams",[(2000,10,1),(2000,8,4),(10000,3,4),(500,20,4)])
def test_speed(spawn, engine, size, n, streams):
    port=free_port()
    srcs=["ha-noi.population","lam-dong.population","lao-cai.population","yen-bai.population"][:streams]
    data={s:[outgoing(i+1,typed(size,first=i*size),BatchFormat.TYPED_RECORDS) for i in range(n)] for s in srcs}
    async def push(s):
        async with connect(f"127.0.0.1:{port}") as ch:
            r=0
            async for a in IntakeClient(ch).push(data[s],source_id=s,epoch="e1"): r+=a.receipt.accepted
            return r
    async def go():
        t=time.perf_counter(); r=sum(await asyncio.gather(*map(push,srcs))); dt=time.perf_counter()-t
        print(f"\nsize {size} streams {streams}: {r} records {r/dt:.0f}/s")
    with spawn(port): asyncio.run(go())
def test_jsonl(spawn, engine):
    port=free_port()
    srcs=["ha-noi.population","lam-dong.population"]
    data={s:[outgoing(i+1,people(i*2000,2000)) for i in range(8)] for s in srcs}
    async def push(s):
        async with connect(f"127.0.0.1:{port}") as ch:
            r=0
            async for a in IntakeClient(ch).push(data[s],source_id=s,epoch="e1"): r+=a.receipt.accepted
            return r
    async def go():
        t=time.perf_counter(); r=sum(await asyncio.gather(*map(push,srcs))); dt=time.perf_counter()-t
        print(f"\njsonl: {r} records {r/dt:.0f}/s")
    with spawn(port): asyncio.run(go())
