"""An executor that tells the user's steps before they start."""

from collections.abc import MutableMapping
from typing import Any, cast

from streamflow.core.workflow import Workflow
from streamflow.cwl.step import CWLExecuteStep
from streamflow.workflow.executor import StreamFlowExecutor
from streamflow.workflow.port import JobPort

from dvre_streamflow.progress import PROGRESS, job_inputs


class DvreExecutor(StreamFlowExecutor):
    """StreamFlow's executor, observed."""

    def __init__(self, workflow: Workflow) -> None:
        """Report the steps of `workflow` that run a tool or an expression of the user."""
        super().__init__(workflow)
        PROGRESS.workflow(
            {
                name: job_inputs(next(iter(cast(JobPort, step.get_job_port()).get_input_steps())))
                for name, step in workflow.steps.items()
                if isinstance(step, CWLExecuteStep)
            }
        )

    async def run(self) -> MutableMapping[str, Any]:
        """Run the workflow; what fails after it is over is only the noise of its end."""
        try:
            return await super().run()
        finally:
            PROGRESS.close()
