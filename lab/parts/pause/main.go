// Pause holds a pod's namespaces open and does nothing else: the first container of every pod in the lab.
// It is compiled here because the published image cannot be had where only module and package registries answer.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	<-stop
}
