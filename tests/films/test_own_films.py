"""Films of this server's tasks are on disk when the tasks have ended, and results say where."""

from pathlib import Path

from tests.films.servers import film_world, keeping_server
from tests.kit.client import structured, text


async def test_an_own_film_is_on_disk_when_its_call_returns(tmp_path: Path, mode: str) -> None:
    async with keeping_server(tmp_path, film_world()) as kept, kept.server.client(mode) as client:
        result = await client.call("extend_video", assetId=client.world.asset_id(client.clip), text_prompt="over the dunes")
        data = structured(result)
        print(text(result)); print(data["saved"])
        path = Path(data["saved"]["path"])
        film = client.last_task().artifacts[0].film
        assert film is not None
        assert path.read_bytes() == client.world.films.render(film)
