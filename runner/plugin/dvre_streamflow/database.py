"""A database that reports the end of every step, and can be read while the run goes on."""

from collections.abc import MutableMapping
from typing import Any

from streamflow.core.context import StreamFlowContext
from streamflow.core.workflow import Status, Step, Workflow
from streamflow.cwl.step import CWLExecuteStep
from streamflow.persistence.sqlite import SqliteDatabase

from dvre_streamflow.progress import PROGRESS


class DvreDatabase(SqliteDatabase):
    """StreamFlow's database, observed, with a commit at the end of each user's step."""

    def __init__(self, context: StreamFlowContext, **config: Any) -> None:
        """Open the database that `config` names."""
        super().__init__(context, **config)
        self._workflow: int | None = None
        self._steps: dict[int, str] = {}

    async def add_workflow(
        self, name: str, params: MutableMapping[str, Any], status: int, type: type[Workflow]
    ) -> int:
        """Remember the first workflow: recovery adds more, which repeat parts of it."""
        workflow = await super().add_workflow(name, params, status, type)
        if self._workflow is None:
            self._workflow = workflow
        return workflow

    async def add_step(
        self,
        name: str,
        workflow_id: int,
        status: int,
        type: type[Step],
        params: MutableMapping[str, Any],
    ) -> int:
        """Remember which rows are steps of the user."""
        step = await super().add_step(name, workflow_id, status, type, params)
        if workflow_id == self._workflow and issubclass(type, CWLExecuteStep):
            self._steps[step] = name
        return step

    async def update_step(self, step_id: int, updates: MutableMapping[str, Any]) -> int:
        """Report a step of the user that changed its status."""
        step = await super().update_step(step_id, updates)
        if (name := self._steps.get(step_id)) is not None and "status" in updates:
            PROGRESS.step(name, Status(updates["status"]))
            async with self.connection as connection:
                await connection.commit()
        return step
