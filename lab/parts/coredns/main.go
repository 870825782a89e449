// CoreDNS with only the plugins that the lab's Corefile names: as published it links the SDKs of every cloud (112 MB).
package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/hosts"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "github.com/coredns/coredns/plugin/reload"

	"github.com/coredns/coredns/coremain"
)

func main() {
	dnsserver.Directives = []string{"reload", "ready", "errors", "cache", "hosts", "kubernetes"}
	coremain.Run()
}
