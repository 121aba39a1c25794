/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PD_USER_SERVICE_VERSION_H
#define PD_USER_SERVICE_VERSION_H

#ifndef PD_VERSION
#define PD_VERSION "0.1.0"
#endif

#endif
