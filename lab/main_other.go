//go:build !linux

// Lab is a real Kubernetes with Istio and Envoy on one Linux machine, without docker and without prebuilt images.
package main

import (
	"fmt"
	"os"
	"runtime"
)

// cannot is the exit code for "this machine cannot run the lab", as in package cli.
const cannot = 3

func main() {
	fmt.Fprintf(os.Stderr, "error: this machine cannot run the lab: it needs Linux (this is %s), because it runs containers itself\n", runtime.GOOS)
	os.Exit(cannot)
}
