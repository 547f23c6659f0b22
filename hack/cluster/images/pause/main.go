// Command pause is the first process of something that only has to exist: it sleeps, reaps the
// children that others leave to it, and ends when told to. It holds the namespaces of a pod and
// those of the cluster itself.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	children := make(chan os.Signal, 1)
	signal.Notify(children, syscall.SIGCHLD)
	for {
		// One signal may stand for several children, and some may have ended before the handler
		// was there, so this looks until none is left.
		for {
			pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
			if pid <= 0 && err != syscall.EINTR {
				break
			}
		}
		select {
		case <-children:
		case <-stop:
			os.Exit(0)
		}
	}
}
